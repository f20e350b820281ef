package wasm

import (
	"log/slog"
	"testing"
	"time"

	"github.com/fovea-images/fovea/plugins"
	"github.com/fovea-images/fovea/plugins/rulestest"
)

func TestModulesAreRules(t *testing.T) {
	rulestest.Run(t, func(t *testing.T, all ...string) plugins.Rule {
		t.Helper()
		rule, err := New(t.Context(), Options{
			File: "testdata/script.wasm", Config: steps(all...), Patience: time.Minute,
			Journal: plugins.NewJournal("suite", slog.New(slog.DiscardHandler), time.Now),
		})
		if err != nil {
			t.Fatal(err)
		}
		return rule
	})
}
