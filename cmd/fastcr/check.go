package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/fastcr/fastcr/check"
	"github.com/fastcr/fastcr/loader"
	"github.com/fastcr/fastcr/netlock"
)

func runCheck(args []string) error {
	f := newFlags("check", "[--json]",
		"Says, one line a feature, what this machine has, what is missing and what follows from it.\nThe exit code is 0 when dumps work.", "fastcr check")
	asJSON := f.Bool("json", false, "print the findings as JSON")
	if err := parse(f, args); err != nil {
		return err
	}
	found := check.Run(context.Background(), check.Probes{Iterators: probeIterators, PacketLock: netlock.Available})
	if *asJSON {
		if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
			return err
		}
	}
	code := 0
	for _, x := range found {
		mark := "ok"
		if !x.OK {
			mark = "missing"
			if x.Needed {
				code = 1
			}
		}
		if *asJSON {
			continue
		}
		line := fmt.Sprintf("%-13s %-8s %s", x.Name, mark, x.Detail)
		if !x.OK && x.Follows != "" {
			line += " → " + x.Follows
		}
		fmt.Println(line)
	}
	if code != 0 {
		return exitError(code)
	}
	return nil
}

func probeIterators() error {
	l, err := loader.Load(loader.Options{})
	if err != nil {
		return err
	}
	l.Close()
	return nil
}
