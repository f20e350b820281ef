package token

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// The time that a wrong signature takes must tell nothing of a right one: every key is
// tried to its end, and what is secret is compared by hmac.Equal alone.
func TestSignaturesAreComparedInConstantTime(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "signature.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	ast.Inspect(file, func(n ast.Node) bool {
		loop, ok := n.(*ast.RangeStmt)
		if !ok {
			return true
		}
		ast.Inspect(loop.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ReturnStmt:
				t.Error("the loop over the keys returns early")
			case *ast.BranchStmt:
				if n.Tok != token.CONTINUE { // an empty key is passed over, whatever was sent
					t.Errorf("the loop over the keys has a %s", n.Tok)
				}
			case *ast.BinaryExpr:
				if call, ok := n.X.(*ast.CallExpr); ok && n.Op == token.LOR && isHMACEqual(call) {
					compared++ // and it comes first, so that it is made whatever was good before
				}
				if n.Op == token.LAND {
					t.Error("a comparison depends on another one")
				}
			}
			return true
		})
		return false
	})
	if compared != 2 {
		t.Errorf("%d comparisons by hmac.Equal, of the whole path and of the short one", compared)
	}
}

func isHMACEqual(call *ast.CallExpr) bool {
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	name, ok := function.X.(*ast.Ident)
	return ok && name.Name == "hmac" && function.Sel.Name == "Equal"
}
