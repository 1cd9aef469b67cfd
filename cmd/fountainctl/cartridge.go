package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/internal/problem"
)

// Actions of a cartridge change.
const (
	inserted = "inserted"
	removed  = "removed"
)

func (t *tool) cartridgeCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "cartridge",
		Short: "List cartridges, or say that one was inserted or removed",
		Long: `cartridge lists the slots: what belongs there, what is there and how much is left. After a change, "inserted SLOT" has the
unit read the tag again and says whether the cartridge is the right one; "removed SLOT" says that you took it out.`,
		Example: `  fountainctl cartridge
  fountainctl cartridge inserted s07
  fountainctl cartridge list --json | jq -r '.[] | select(.state != "ok") | .slot'`,
		Args: args(cobra.NoArgs),
	}
	list := t.read(func(ctx context.Context, c *api.Client, _ []string) error {
		all, err := c.Cartridges(ctx)
		if err != nil {
			return err
		}
		if t.json {
			return t.printJSON(all)
		}
		return printCartridges(t.out, all)
	})
	c.RunE = list
	t.jsonFlag(c, "the slots as a JSON array")
	l := &cobra.Command{Use: "list", Short: "List every slot", Example: "  fountainctl cartridge list --json", Args: args(cobra.NoArgs), RunE: list}
	t.jsonFlag(l, "the slots as a JSON array")
	c.AddCommand(l, t.cartridgeChange(inserted, "Say that a cartridge was put into a slot; its tag is read"),
		t.cartridgeChange(removed, "Say that the cartridge of a slot was taken out"))
	return c
}

func (t *tool) cartridgeChange(action, short string) *cobra.Command {
	c := &cobra.Command{
		Use: action + " SLOT", Short: short, Example: "  fountainctl cartridge " + action + " s07", Args: args(cobra.ExactArgs(1)),
		RunE: t.do(func(ctx context.Context, c *api.Client, a []string) error {
			person, err := t.who()
			if err != nil {
				return err
			}
			now, err := c.ChangeCartridge(ctx, a[0], api.CartridgeChange{Action: action, Person: person})
			if err != nil {
				return suggestSlot(ctx, c, a[0], err)
			}
			if t.json {
				if err := t.printJSON(now); err != nil {
					return err
				}
			} else if err := printCartridges(t.out, []api.Cartridge{now}); err != nil {
				return err
			}
			if action == inserted && !usable(now.State) {
				return &problem.Problem{
					Code: problem.CodeConflict, Where: now.Slot, What: "this cartridge cannot be used: " + words(now.State),
					Remedy: cmp.Or(now.Remedy, "see fountainctl cartridge"),
				}
			}
			return nil
		}),
	}
	t.personFlag(c)
	t.jsonFlag(c, "the slot as JSON")
	return c
}

// usable tells whether a slot in this state pours: one without a reader is believed.
func usable(state string) bool { return state == "ok" || state == "unverified" }

func suggestSlot(ctx context.Context, c *api.Client, slot string, err error) error {
	var p *problem.Problem
	if !errors.As(err, &p) || p.Code != problem.CodeNotFound {
		return err
	}
	all, lerr := c.Cartridges(ctx)
	if lerr != nil || len(all) == 0 {
		return err
	}
	with := *p
	with.Remedy = fmt.Sprintf("the slots are %s to %s; see fountainctl cartridge", all[0].Slot, all[len(all)-1].Slot)
	return &with
}

func printCartridges(out io.Writer, all []api.Cartridge) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SLOT\tINGREDIENT\tLEFT\tEXPIRES\tSTATE")
	for _, c := range all {
		expires := "-"
		if c.Expires != nil {
			expires = day(*c.Expires)
		}
		state := words(c.State)
		if c.Contents != "" && c.Contents != c.Ingredient {
			state += ": holds " + c.Contents
		}
		if c.Remedy != "" {
			state += ": " + c.Remedy
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", c.Slot, cmp.Or(c.Ingredient, "-"), ml(c.LeftUL), expires, state)
	}
	return flush(w)
}
