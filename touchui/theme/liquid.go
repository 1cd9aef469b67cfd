package theme

import "image/color"

// liquids stand apart from each other and from the red and yellow of signs on the dark theme.
var liquids = [...]string{
	"#F2C14E", "#D97436", "#FF8A2A", "#3F7FC4", "#E8E23A", "#C23A32", "#DDA56B", "#C9E265", "#CFE2F3", "#C7A6F2", "#C7254E",
	"#DCEAF0", "#9DB2FF", "#E8F0C8", "#FFC46B", "#B8315C", "#8A8B2E", "#FFC9D9", "#2E86C9", "#36CFC0", "#84B840", "#E8457C", "#1F8E88",
}

// Liquid is the colour in which a technician sees what is in a cartridge: the same for the same ingredient, so that a
// person knows it again. It says nothing about the drink.
func Liquid(ingredient string) color.RGBA {
	h := uint32(2166136261) // FNV-1a
	for i := range len(ingredient) {
		h = (h ^ uint32(ingredient[i])) * 16777619
	}
	h ^= h >> 13
	return Hex(liquids[h%uint32(len(liquids))])
}
