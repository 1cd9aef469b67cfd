// Package beverage is the catalogue: brands, beverages, recipes, ingredients, and the planogram that says which
// cartridge sits in which cartridge slot. It imports only internal packages; the default catalogue is embedded.
//
//	catalogue.json ──Load──► Catalogue (checked, immutable) ◄── recipe, apiserver, touchui
//	planogram.json ──LoadPlanogram──► Planogram
package beverage

// Types of identifiers. All are lower case ASCII: letters, digits, '-', and '.' between levels ("kolvane.zero").
type (
	BrandID      string
	ID           string // a beverage: "<brand>.<variant>"
	IngredientID string
)

// Catalogue is what can be offered. A loaded Catalogue never changes.
type Catalogue struct {
	Version     int          `json:"version"`
	Ingredients []Ingredient `json:"ingredients"`
	Brands      []Brand      `json:"brands"`

	Digest string `json:"-"` // "sha256:<hex>" of the file it was loaded from
}

// Kinds of ingredients.
const (
	KindCarrier     = "carrier" // comes from the water line, metered
	KindSyrup       = "syrup"
	KindConcentrate = "concentrate"
	KindMicro       = "micro"
)

// Ingredient is something that flows: a carrier from the water line or the content of a cartridge.
// Nutrition is per 100 ml of the ingredient.
type Ingredient struct {
	ID         IngredientID `json:"id"`
	Name       string       `json:"name"`
	Kind       string       `json:"kind"`
	Sugar      float64      `json:"sugar"`    // g
	KCal       float64      `json:"kcal"`     // kcal
	Caffeine   float64      `json:"caffeine"` // mg
	Sweeteners []string     `json:"sweeteners"`
	Allergens  []string     `json:"allergens"`
	Notices    []string     `json:"notices"`
	Category   []string     `json:"category"`
}

// Brand is a family of beverages with one look.
type Brand struct {
	ID        BrandID    `json:"id"`
	Name      string     `json:"name"`
	Kind      string     `json:"kind"`
	Tone      string     `json:"tone"`
	Palette   Palette    `json:"palette"`
	Wordmark  Wordmark   `json:"wordmark"`
	Motif     Motif      `json:"motif"`
	Beverages []Beverage `json:"beverages"`
}

// Palette holds #RRGGBB colours. Every text pair reaches a contrast of 4.5.
type Palette struct {
	Primary     string `json:"primary"`
	Secondary   string `json:"secondary"`
	Third       string `json:"third"`
	Ink         string `json:"ink"`         // text on primary
	OnSecondary string `json:"onSecondary"` // text on secondary
	Well        string `json:"well"`        // quiet panel on primary
	Contrast    struct {
		InkOnPrimary           float64 `json:"inkOnPrimary"`
		InkOnWell              float64 `json:"inkOnWell"`
		OnSecondaryOnSecondary float64 `json:"onSecondaryOnSecondary"`
	} `json:"contrast"`
}

// Wordmark is the brand's name as set type: it breaks only between Lines.
type Wordmark struct {
	Lines []string `json:"lines"`
	Cut   string   `json:"cut"` // display | condensed
}

// Motif is the brand's picture as flat shapes in a box of Box × Box, y down.
type Motif struct {
	Text   string  `json:"text"` // says what it shows, for people who cannot see it
	Box    float64 `json:"box"`
	Anchor string  `json:"anchor"`
	Shapes []Shape `json:"shapes"`
}

// Tags of a beverage.
const (
	TagStill        = "still"
	TagSparkling    = "sparkling"
	TagNoSugar      = "noSugar"      // under 0.5 g in 100 ml
	TagCaffeineFree = "caffeineFree" // under 0.1 mg in 100 ml
)

// Beverage is one drink. Nutrition is per 100 ml of the finished drink.
type Beverage struct {
	ID         ID       `json:"id"`
	Name       string   `json:"name"`
	Tags       []string `json:"tags"`
	Liquid     string   `json:"liquid"` // #RRGGBB
	KCal       float64  `json:"kcal"`
	Sugar      float64  `json:"sugar"`    // g
	Caffeine   float64  `json:"caffeine"` // mg
	Sweeteners []string `json:"sweeteners"`
	Allergens  []string `json:"allergens"`
	Notices    []string `json:"notices"`
	Recipe     Recipe   `json:"recipe"`
	NoMix      bool     `json:"noMix,omitempty"` // only poured by itself, never in a mix
}

// Recipe mixes ingredients by relative parts.
type Recipe struct {
	Carrier string       `json:"carrier"` // TagStill or TagSparkling
	Parts   []RecipePart `json:"parts"`
}

// RecipePart is one ingredient of a recipe. Parts are relative to the sum over the recipe.
type RecipePart struct {
	Ingredient IngredientID `json:"ingredient"`
	Parts      float64      `json:"parts"`
	Ratio      string       `json:"ratio,omitempty"` // for people: "1:5"
}

// Planogram says which cartridge a unit carries where. Carriers need no slot.
type Planogram struct {
	Version int    `json:"version"`
	Name    string `json:"name"`
	Slots   []Slot `json:"slots"`
}

// Slot is one cartridge slot: its id in the rig file and what belongs in it.
type Slot struct {
	Slot       string       `json:"slot"`
	Ingredient IngredientID `json:"ingredient"`
	VolumeML   float64      `json:"volume_ml"` // of a full cartridge
}

// Shape is one flat shape of a motif: circle, ring, rect, ellipse, wedge, poly, leaf, drop, wave or repeat.
// Angles are degrees clockwise from the top. Which fields apply depends on T; see the schema.
type Shape struct {
	T    string    `json:"t"`
	F    string    `json:"f,omitempty"` // p, s, t or i: primary, secondary, third, ink
	X    float64   `json:"x,omitempty"`
	Y    float64   `json:"y,omitempty"`
	W    float64   `json:"w,omitempty"`
	H    float64   `json:"h,omitempty"`
	R    float64   `json:"r,omitempty"`
	R0   float64   `json:"r0,omitempty"`
	RX   float64   `json:"rx,omitempty"`
	RY   float64   `json:"ry,omitempty"`
	From float64   `json:"from,omitempty"`
	To   float64   `json:"to,omitempty"`
	A    float64   `json:"a,omitempty"` // turn about the shape's centre
	L    float64   `json:"l,omitempty"`
	Amp  float64   `json:"amp,omitempty"`
	Len  float64   `json:"len,omitempty"`
	Ph   float64   `json:"ph,omitempty"`
	Pts  []float64 `json:"pts,omitempty"`
	N    int       `json:"n,omitempty"` // repeat: copies
	DX   float64   `json:"dx,omitempty"`
	DY   float64   `json:"dy,omitempty"`
	Rot  float64   `json:"rot,omitempty"`
	CX   float64   `json:"cx,omitempty"`
	CY   float64   `json:"cy,omitempty"`
	Of   []Shape   `json:"of,omitempty"`
}
