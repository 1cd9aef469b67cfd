// Package layers holds the import rules of DESIGN 5 as a table and, in its test, proves them on the whole module.
// A new edge changes the table, with its reason.
package layers

// levels gives each package its level: a package may import packages of lower levels. The longest matching path wins;
// a path ending in "/…" stands for everything below it too.
var levels = map[string]int{
	"internal/…": 0,

	"agent/beverage": 1,
	"hal":            1,
	"sync/wire":      1,
	"agent/beat":     1,

	"agent/recipe":        2,
	"agent/pour":          2,
	"hal/rigfile":         2,
	"hal/haltest":         2,
	"hal/chips/chipmodel": 2, // the chips' other side: registers without any driver, for tests and the emulator
	"agent/api":           2,

	"hal/linux":         3,
	"hal/chips":         3,
	"hal/sim":           3,
	"agent/guard":       3,
	"agent/record":      3,
	"agent/store":       3,
	"agent/inventory":   3,
	"agent/alarm":       3,
	"agent/maintenance": 3,
	"agent/config":      3,
	"agent/access":      3,
	"agent/recall":      3, // what the cloud has forbidden; pure but for the store it is given
	"sync/…":            3,
	"firmware/…":        3,
	"deploy":            3,

	"agent/machine":   4,
	"hal/sim/lines":   4, // the plant behind real kernel lines (gpio-sim, CUSE), for the emulator only
	"hal/sim/panel":   4, // the plant's HTTP, apart from hal/sim so that the guard links none
	"agent/apiserver": 4,
	"sync/bareunit":   4, // a unit without its machine, put together of the packages of sync
	"touchui/…":       4,

	"agent":   5,
	"cloud/…": 5,

	"cmd/…":           6,
	"internal/bench":  6,
	"internal/desk":   6,
	"internal/device": 6,
	"docs":            6,
	"internal/layers": 6,
}

// sameLevel lists the edges within one level that are allowed: each family from the one that asks to the one asked.
var sameLevel = []edge{
	{"internal/…", "internal/…", "small shared rooms may use each other (localhttp answers with problem)"},
	{"sync/uplink", "sync/shadow", "the ledger is a named shadow"},
	{"touchui/…", "touchui/…", "screens draw on kiosk and theme, kiosk on paint, display and input"},
	{"cloud/…", "cloud/…", "ingest and console read the cloud's store; ingest writes the ledger shadow through awsiot"},
	{"agent/pour", "agent/recipe", "a pour runs a Plan"},
	{"hal/linux", "hal/chips", "the rig drives the chips its rig file names"},
	{"cmd/…", "internal/desk", "the command is the flags of the package"},
	{"internal/bench", "internal/desk", "figures of whole processes are taken on a desk"},
}

// never lists edges that the levels would allow and the design forbids.
var never = []edge{
	{"sync/…", "agent/…", "sync is told through its own interfaces"},
	{"sync/wire", "agent/…", "the cloud imports wire"},
	{"cloud/…", "agent/…", "the cloud knows the wire contract only"},
	{"agent", "hal/linux", "the command opens the rig"},
	{"agent", "hal/sim", "the command opens the rig"},
	{"agent", "touchui/…", "the agent links no Fyne"},
	{"agent/…", "touchui/…", "the agent links no Fyne"},
	{"touchui/…", "agent/machine", "the screen talks to the local API"},
	{"touchui/…", "agent/apiserver", "the screen talks to the local API"},
	{"agent/guard", "agent/store", "the guard stays tiny"},
}

// except lists the exceptions from never.
var except = []edge{
	{"cloud/…", "agent/beverage", "the console shows names and colours of beverages"},
	{"cloud/twin", "agent", "virtual units run the real agent"},
}

// owners says which packages alone may import a library.
var owners = map[string][]string{
	"periph.io/":                           {"hal/linux", "hal/chips"},
	"go.etcd.io/bbolt":                     {"agent/store"},
	"github.com/spf13/viper":               {"agent/config"},
	"github.com/eclipse/paho.mqtt.golang":  {"sync/mqttlink"},
	"github.com/mochi-mqtt/server":         {"cloud/awsiot/broker"},
	"fyne.io/fyne":                         {"touchui/…", "cmd/fountain-ui"},
	"modernc.org/sqlite":                   {"cloud/store"},
	"github.com/prometheus/client_golang/": {"agent/apiserver", "agent", "cloud/…", "cmd/fountain-cloud"}, // the command joins the figures of the cloud's parts
	"github.com/hanwen/go-fuse/":           {"internal/crash"},                                            // the disk whose power is cut
	"fyne.io/fyne/v2/app":                  {},                                                            // would need cgo
}

// forTests are the packages that only tests import, and each other: so no command can link them.
var forTests = []string{"cloud/awsiot/awsiottest", "cloud/store/postgrestest", "hal/haltest", "internal/golden", "sync/bareunit"}

// testOnly lists edges that tests may have besides: the second table.
var testOnly = []edge{
	{"…", "internal/golden", "pictures are compared in tests"},
	{"…", "hal/sim", "the simulated rig is what tests run on"},
	{"…", "hal/haltest", "the contract suite"},
	{"sync/…", "cloud/…", "the uplink is judged by the local cloud"},
	{"sync/…", "sync/…", "the uplink is judged over the real link and identity"},
	{"sync/…", "deploy", "the local cloud enforces the template"},
	{"cloud/…", "sync/…", "the local cloud is judged by the agent's own link"},
	{"agent/…", "agent/…", "a test may set the neighbours up"},
	{"agent", "cloud/…", "end to end in one process"},
	{"cloud/awsiot/…", "deploy", "the template it enforces"},
	{"deploy", "cloud/awsiot/…", "the templates are judged by what enforces them"},
}

// testLibraries may be imported by any test of the owner's family, besides the owners.
var testLibraries = map[string][]string{
	"github.com/eclipse/paho.mqtt.golang": {"cloud/…", "sync/…", "cmd/fountain-cloud"},
	"fyne.io/fyne":                        {"touchui/…"},
}

type edge struct {
	from, to string
	why      string
}
