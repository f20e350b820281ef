package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fovea-images/fovea/internal/telemetry"
	"github.com/fovea-images/fovea/store"
)

// storeApp is newApp for commands that work on the store alone.
func storeApp(ctx context.Context, cli *cli, w world) (*app, store.Account, error) {
	settings, err := cli.settings(w)
	if err != nil {
		return nil, store.Account{}, err
	}
	a, err := newApp(ctx, settings, telemetry.NoLog(), w.now, working)
	if err != nil {
		return nil, store.Account{}, err
	}
	account, err := a.library.EnsureAccount(ctx, settings.Account, settings.Flexible)
	if err != nil {
		return nil, store.Account{}, errors.Join(err, a.close())
	}
	return a, account, nil
}

type apitokenCmd struct {
	Create apitokenCreateCmd `cmd:"" help:"Make a token for the account and print it, this once."`
	List   apitokenListCmd   `cmd:"" help:"List the tokens of all accounts; what they open, never the tokens."`
	Revoke apitokenRevokeCmd `cmd:"" help:"Take a token back, with the batch tokens that it gave. It is refused from now on."`
}

type apitokenCreateCmd struct {
	Scope   string        `help:"What its holder may do: read or write." enum:"read,write" default:"write"`
	Note    string        `help:"What it is for, for the list." placeholder:"TEXT"`
	Expires time.Duration `help:"How long it is good for, such as 720h; 0: until it is revoked." default:"0"`
}

// Run makes a token.
func (c *apitokenCreateCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	if c.Expires < 0 {
		return fmt.Errorf("--expires: expected a duration above 0, received %v", c.Expires)
	}
	a, account, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	scope, err := store.ParseScope(c.Scope)
	if err != nil {
		return err
	}
	now := time.Now()
	grant, token := store.NewGrant(account.Hash, scope, c.Note, now)
	if c.Expires > 0 {
		grant.Expires = now.Add(c.Expires).UTC().Truncate(time.Millisecond)
	}
	if err := a.library.Names.AddGrant(ctx, grant); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "%s\n", string(token))
	if err == nil {
		_, err = fmt.Fprintf(w.stderr, "id %s, scope %v, account id %s. It is not kept: this is the only time that it is shown.\n", grant.ID, scope, account.ID)
	}
	return err
}

type apitokenListCmd struct{}

// Run lists the tokens.
func (c *apitokenListCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	a, _, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	grants, err := a.library.Names.Grants(ctx)
	if err != nil {
		return err
	}
	lines := []string{"ID\tACCOUNT\tSCOPE\tCREATED\tSTATE\tNOTE"}
	for _, g := range grants {
		lines = append(lines, fmt.Sprintf("%s\t%s\t%v\t%s\t%s\t%s", g.ID, g.Account, g.Scope, day(g.Created), state(&g), g.Note))
	}
	return printTable(w.stdout, lines)
}

// printTable prints lines whose cells are separated by tabs.
func printTable(to io.Writer, lines []string) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	if _, err := fmt.Fprintln(table, strings.Join(lines, "\n")); err != nil {
		return err
	}
	return table.Flush()
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

func state(g *store.Grant) string {
	switch {
	case !g.Revoked.IsZero():
		return "revoked " + day(g.Revoked)
	case g.Expires.IsZero():
		return "in force"
	case time.Now().Before(g.Expires):
		return "until " + g.Expires.Format(time.RFC3339)
	}
	return "expired " + day(g.Expires)
}

type apitokenRevokeCmd struct {
	ID string `arg:"" help:"The token's id in the list."`
}

// Run revokes a token.
func (c *apitokenRevokeCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	a, _, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	g, err := a.library.Names.RevokeGrant(ctx, c.ID, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "%s is revoked.\n", g.ID)
	return err
}

type accountCmd struct {
	ID   accountIDCmd   `cmd:"" name:"id" help:"Print the account's id, that the API knows it by."`
	List accountListCmd `cmd:"" help:"List the accounts with their ids, for the API, and their hashes, for delivery URLs."`
	Add  accountAddCmd  `cmd:"" help:"Add an account, separate from all others."`
}

type accountIDCmd struct{}

// Run prints the id.
func (c *accountIDCmd) Run(ctx context.Context, cli *cli, w world) error {
	a, account, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w.stdout, account.ID)
	return errors.Join(err, a.close())
}

type accountListCmd struct{}

// Run lists the accounts.
func (c *accountListCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	a, _, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	accounts, err := a.library.Names.Accounts(ctx)
	if err != nil {
		return err
	}
	lines := []string{"ID\tHASH\tIMAGES\tFLEXIBLE VARIANTS"}
	for _, account := range accounts {
		n, err := a.library.Names.CountImages(ctx, account.Hash)
		if err != nil {
			return err
		}
		lines = append(lines, fmt.Sprintf("%s\t%s\t%d\t%t", account.ID, account.Hash, n, account.Flexible))
	}
	return printTable(w.stdout, lines)
}

type accountAddCmd struct {
	Hash string `arg:"" optional:"" help:"Its hash in delivery URLs; a random one without."`
}

// Run adds an account.
func (c *accountAddCmd) Run(ctx context.Context, cli *cli, w world) (err error) {
	if err := checkHash(c.Hash); c.Hash != "" && err != nil {
		return err
	}
	a, _, err := storeApp(ctx, cli, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, a.close()) }()
	account, err := a.library.EnsureAccount(ctx, c.Hash, a.settings.Flexible)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.stdout, "id %s, hash %s\n", account.ID, account.Hash)
	return err
}
