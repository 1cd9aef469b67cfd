package awsiot

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"fountain/cloud/awsiot/stack"
	"fountain/cloud/store"
)

// seed puts what the stack says into the store: from there broker, provisioning and REST read it.
func seed(ctx context.Context, st *stack.Stack, reg store.Registry) error {
	var seeds []store.Seed
	for _, name := range slices.Sorted(maps.Keys(st.Types)) {
		t := st.Types[name]
		seeds = append(seeds, store.Seed{
			Kind: store.KindType, Name: name, Settings: settings(store.TypeSettings{Description: t.Description, Searchable: t.Searchable}),
		})
	}
	for _, name := range slices.Sorted(maps.Keys(st.Policies)) {
		seeds = append(seeds, store.Seed{Kind: store.KindPolicy, Name: name, Body: string(st.Policies[name].Document)})
	}
	for _, name := range slices.Sorted(maps.Keys(st.Templates)) {
		t := st.Templates[name]
		seeds = append(seeds, store.Seed{Kind: store.KindTemplate, Name: name, Body: t.Text, Settings: settings(store.TemplateSettings{
			Description: t.Description, Enabled: true, RoleARN: t.RoleARN, HookARN: t.HookARN, HookVersion: t.HookVersion, Type: "FLEET_PROVISIONING",
		})})
	}
	for _, name := range slices.Sorted(maps.Keys(st.JobTemplates)) {
		seeds = append(seeds, store.Seed{Kind: store.KindJobTemplate, Name: name, Settings: settings(st.JobTemplates[name])})
	}
	if err := reg.Seed(ctx, seeds, time.Now().UnixMilli()); err != nil {
		return fmt.Errorf("put the stack into the store: %w", err)
	}
	return nil
}

func settings(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // impossible: plain structs
	}
	return b
}
