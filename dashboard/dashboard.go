// Package dashboard is the operator's page: files for the admin listener to serve.
//
// It is plain HTML, CSS and JavaScript modules, as they are written; nothing builds it
// and it loads nothing from elsewhere.
package dashboard

import "embed"

// Files are in the folder page; index.html is where it begins.
//
//go:embed page
var Files embed.FS
