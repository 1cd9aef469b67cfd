package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"fountain/agent/api"
	"fountain/agent/config"
	"fountain/internal/problem"
)

func (t *tool) configCmd() *cobra.Command {
	c := &cobra.Command{
		Use:   "config",
		Short: "Show, explain, check and set the configuration",
		Long: `config shows every key with its value and where it comes from, secrets masked. A technician may set some keys on the unit
itself; they win over the file, the environment and the cloud. Those of the screen count at once, the others from the next
start on.`,
		Example: `  fountainctl config get
  fountainctl config explain unit.panel_mm
  fountainctl config set unit.units both --person ruiz
  fountainctl config check fountaind.yaml`,
		Args: args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(t.configGetCmd(), t.configSetCmd(), t.configExplainCmd(), t.configCheckCmd())
	return c
}

func (t *tool) configGetCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "get [KEY]", Short: "Show every key, or one",
		Example: `  fountainctl config get
  fountainctl config get unit.timezone
  fountainctl config get --json | jq -r '.[] | select(.origin == "technician") | .key'`,
		Args: args(cobra.MaximumNArgs(1)),
		RunE: t.read(func(ctx context.Context, c *api.Client, a []string) error {
			list, err := c.Config(ctx)
			if err != nil {
				return err
			}
			if len(a) == 1 {
				v, err := keyOf(list, a[0])
				if err != nil {
					return err
				}
				if t.json {
					return t.printJSON(v)
				}
				fmt.Fprintln(t.out, plain(v.Value))
				return nil
			}
			if t.json {
				return t.printJSON(list)
			}
			w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "KEY\tVALUE\tFROM")
			for _, v := range list {
				fmt.Fprintf(w, "%s\t%s\t%s\n", v.Key, cmp.Or(plain(v.Value), "-"), from(v))
			}
			return flush(w)
		}),
	}
	t.jsonFlag(c, "[{key, value, origin, where, doc, tech, next}], or one of them")
	return c
}

func (t *tool) configSetCmd() *cobra.Command {
	c := &cobra.Command{
		Use: "set KEY VALUE", Short: "Set a key on this unit, at once or from its next start on",
		Example: `  fountainctl config set unit.timezone Europe/Berlin --person ruiz
  fountainctl config set unit.languages en,de,fr --person ruiz
  fountainctl config set unit.language de --person ruiz`,
		Args: args(cobra.ExactArgs(2)),
		RunE: t.do(func(ctx context.Context, c *api.Client, a []string) error {
			person, err := t.who()
			if err != nil {
				return err
			}
			v, err := c.SetConfig(ctx, a[0], api.SetConfig{Value: a[1], Person: person})
			if err != nil {
				return err
			}
			if t.json {
				return t.printJSON(v)
			}
			if v.Next == nil {
				fmt.Fprintf(t.out, "%s is %s\n", v.Key, cmp.Or(plain(v.Value), "empty"))
				return nil
			}
			fmt.Fprintf(t.out, "%s is %s from the next start on\n", v.Key, cmp.Or(plain(v.Next), "empty"))
			return nil
		}),
	}
	t.personFlag(c)
	t.jsonFlag(c, "the key as it stands")
	return c
}

func (t *tool) configExplainCmd() *cobra.Command {
	return &cobra.Command{
		Use: "explain KEY", Short: "Say what a key means, what it is, why, and who may set it",
		Example: "  fountainctl config explain pour.max_ml",
		Args:    args(cobra.ExactArgs(1)),
		RunE: t.read(func(ctx context.Context, c *api.Client, a []string) error {
			list, err := c.Config(ctx)
			if err != nil {
				return err
			}
			v, err := keyOf(list, a[0])
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			row := func(name, value string) { fmt.Fprintf(w, "%s\t%s\n", name, value) } // errors surface in Flush
			row("key", v.Key)
			row("means", v.Doc)
			row("value", cmp.Or(plain(v.Value), "empty"))
			row("from", from(v))
			if v.Next != nil {
				row("next", cmp.Or(plain(v.Next), "empty")+", from the next start on")
			}
			row("set it", whoSets(v))
			return flush(w)
		}),
	}
}

func (t *tool) configCheckCmd() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE", Short: "Name every problem of a configuration file; no unit is needed",
		Example: "  fountainctl config check fountaind.yaml",
		Args:    args(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, a []string) error {
			t.ran = true
			_, problems := config.Check(a[0], os.Environ())
			for _, p := range problems[:max(0, len(problems)-1)] {
				fmt.Fprintln(t.err, p)
			}
			if len(problems) > 0 {
				return problems[len(problems)-1]
			}
			fmt.Fprintln(t.out, a[0]+": good")
			return nil
		},
	}
}

// whoSets says where a key can be set.
func whoSets(v api.ConfigValue) string {
	where := "in the configuration file"
	if v.Cloud {
		where += ", or from the cloud"
	}
	if v.Tech {
		return "fountainctl config set " + v.Key + " VALUE, or " + where
	}
	return where
}

// keyOf finds a key, or says which was probably meant.
func keyOf(list []api.ConfigValue, key string) (api.ConfigValue, error) {
	var like []string
	for _, v := range list {
		if v.Key == key {
			return v, nil
		}
		if strings.HasSuffix(v.Key, "."+key) || strings.HasPrefix(v.Key, key+".") {
			like = append(like, v.Key)
		}
	}
	remedy := "see fountainctl config get"
	if len(like) > 0 {
		slices.Sort(like)
		remedy = "did you mean " + strings.Join(like, " or ") + "?"
	}
	return api.ConfigValue{}, &problem.Problem{Code: problem.CodeNotFound, Where: key, What: "there is no such key", Remedy: remedy}
}

// plain is a value as one types it.
func plain(v any) string {
	list, ok := v.([]any)
	if !ok {
		return fmt.Sprint(v)
	}
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = fmt.Sprint(e)
		if m, ok := e.(map[string]any); ok { // a size
			parts[i] = fmt.Sprintf("%v:%v", m["id"], m["ml"])
		}
	}
	return strings.Join(parts, ",")
}

func from(v api.ConfigValue) string {
	out := v.Origin
	if v.Where != "" {
		out += " " + v.Where
	}
	if v.Next != nil {
		out += "; next start: " + cmp.Or(plain(v.Next), "empty")
	}
	return out
}
