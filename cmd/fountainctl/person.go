package main

import (
	"os/user"
	"strings"

	"github.com/spf13/cobra"

	"fountain/internal/problem"
)

// envPerson names the environment variable with the name for the audit trail.
const envPerson = "FOUNTAIN_PERSON"

func (t *tool) personFlag(c *cobra.Command) {
	c.Flags().StringVar(&t.person, "person", "", "who does this, for the audit trail, `NAME` (default $"+envPerson+", then the user's name)")
}

// account is the name of this process's user; empty when the system knows none. Containers and cron set no $USER.
func account() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// who is the person at this terminal.
func (t *tool) who() (string, error) {
	for _, name := range []string{t.person, t.getenv(envPerson), t.getenv("SUDO_USER"), t.getenv("LOGNAME"), t.getenv("USER"), t.account()} {
		if name = strings.TrimSpace(name); name != "" {
			return name, nil
		}
	}
	return "", &problem.Problem{
		Code: problem.CodeBadRequest, Where: "--person", What: "nobody is named for the audit trail", Remedy: "give --person NAME or set $" + envPerson,
	}
}
