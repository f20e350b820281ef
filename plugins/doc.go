// Package plugins is the contract between the proxy and the rules that its operator adds.
//
// A [Rule] sees requests before they are parsed and may rewrite, refuse, redirect,
// answer or annotate them; it acts on an [Exchange]. A [Chain] keeps the rules of a
// server in order: it decides which of them a request is for, undoes what a failed one
// did, keeps a rule that fails away for a while, and counts.
//
//	request ─ rule 1 ─ rule 2 ─ … ─ the proxy ─ … ─ rule 2 ─ rule 1 ─ answer
package plugins
