package rigfile

import _ "embed" // the schema

//go:embed rig.schema.json
var schema string

// Schema is the JSON Schema (draft 2020-12) of rig files, for editors and other tools. It tells less than Parse: lines
// used twice, references between parts and the bounds of times are beyond it.
func Schema() string { return schema }
