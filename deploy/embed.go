// Package deploy holds what the cloud is deployed with, as data. The local cloud interprets the same template.
package deploy

import _ "embed"

// DeviceTemplate is cfn/device.yaml: identities, policies, provisioning and the consumption rule.
//
//go:embed cfn/device.yaml
var DeviceTemplate []byte

// DeviceTemplateName is what messages call DeviceTemplate.
const DeviceTemplateName = "deploy/cfn/device.yaml (embedded)"
