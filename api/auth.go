package api

import (
	"context"
	"strings"

	"github.com/fovea-images/fovea/internal/fault"
	"github.com/fovea-images/fovea/store"
	"github.com/fovea-images/fovea/token"
)

// authenticate finds the grant of the request's API token. Cloudflare's older
// headers, an address and a key that opens everything, are refused.
func (a *API) authenticate(ctx context.Context, r *request) (store.Grant, error) {
	if r.operator != nil {
		return a.operatorGrant(ctx, r.path)
	}
	if r.authorization == "" {
		if r.legacy {
			return store.Grant{}, errLegacy
		}
		return store.Grant{}, errNoToken
	}
	scheme, secret, ok := strings.Cut(r.authorization, " ")
	if secret = strings.Trim(secret, " "); !ok || !strings.EqualFold(scheme, "Bearer") || secret == "" || strings.ContainsAny(secret, " ,") {
		return store.Grant{}, errBadHeader
	}
	hash := store.HashToken(token.Secret(secret))
	grant, err := a.Library.Names.Grant(ctx, hash)
	if fault.Is(err, fault.NotFound) {
		return store.Grant{}, errWrongToken
	}
	if err != nil {
		return store.Grant{}, err
	}
	if !grant.Opens(hash, a.Now()) {
		return store.Grant{}, errWrongToken
	}
	return grant, nil
}

// accountOf finds the account that path names, if grant opens it, and what
// follows "/images/". Whether an account that it does not open exists is not told.
func (a *API) accountOf(ctx context.Context, path string, grant *store.Grant) (*store.Account, string, error) {
	rest, ok := strings.CutPrefix(path, accountsPrefix)
	if !ok {
		return nil, "", errNoRoute
	}
	id, rest, _ := strings.Cut(rest, "/")
	account, err := a.Catalog.AccountByID(ctx, id)
	if err != nil && !fault.Is(err, fault.WrongAccount) {
		return nil, "", err
	}
	if err != nil || account.Hash != grant.Account {
		return nil, "", errForbidden
	}
	if rest, ok = strings.CutPrefix(rest, "images/"); !ok {
		return nil, "", errNoRoute
	}
	return account, rest, nil
}

// operatorGrant is what an operator may: to write to the account that path names. It
// is made for the call and kept nowhere, so there is no token that could be lost; it
// counts as somebody's child and so gives no batch tokens.
func (a *API) operatorGrant(ctx context.Context, path string) (store.Grant, error) {
	id, _, _ := strings.Cut(strings.TrimPrefix(path, accountsPrefix), "/")
	account, err := a.Catalog.AccountByID(ctx, id)
	if fault.Is(err, fault.WrongAccount) {
		return store.Grant{}, errForbidden
	}
	if err != nil {
		return store.Grant{}, err
	}
	return store.Grant{ID: "operator", Parent: "operator", Account: account.Hash, Scope: store.Write}, nil
}
