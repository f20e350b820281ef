package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// sharpVersion is pinned: its libraries come with it, so a result can be had again.
const sharpVersion = "0.35.5"

//go:embed sharp.mjs
var sharpWorker []byte

// startSharp installs sharp into the user's cache folder, unless it is there, and
// starts a worker with it. Without node, npm or the network it is left out.
func startSharp(ctx context.Context) (*contender, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(cache, "fovea-bench", "sharp-"+sharpVersion)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	// Beside node_modules, where node looks for what it imports.
	worker := filepath.Join(folder, "worker.mjs")
	if err := os.WriteFile(worker, sharpWorker, 0o600); err != nil {
		return nil, err
	}
	about, err := sharpVersions(ctx, folder)
	if err != nil {
		install := exec.CommandContext(ctx, "npm", "install", "--no-audit", "--no-fund", "--prefix", folder, "sharp@"+sharpVersion) //nolint:gosec // the user's own cache folder
		if said, err := install.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: npm cannot install it: %w\n%s", errLeftOut, err, said)
		}
		if about, err = sharpVersions(ctx, folder); err != nil {
			return nil, fmt.Errorf("%w: node cannot load it: %w", errLeftOut, err)
		}
	}
	return spawn(exec.CommandContext(ctx, "node", worker), about) //nolint:gosec // the worker above
}

// sharpVersions says what is installed in folder, or fails if nothing that runs is.
func sharpVersions(ctx context.Context, folder string) (string, error) {
	ask := exec.CommandContext(ctx, "node", "-p", `JSON.stringify({node: process.versions.node, ...require("sharp").versions})`)
	ask.Dir = folder
	said, err := ask.Output()
	if err != nil {
		return "", err
	}
	var v struct{ Sharp, Vips, Node string }
	if err := json.Unmarshal(said, &v); err != nil {
		return "", err
	}
	if v.Sharp != sharpVersion {
		return "", fmt.Errorf("expected sharp %s, found %s", sharpVersion, v.Sharp)
	}
	return fmt.Sprintf("sharp %s, libvips %s, node %s", v.Sharp, v.Vips, v.Node), nil
}
