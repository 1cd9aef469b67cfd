package beverage

// Ingredient finds an ingredient.
func (c *Catalogue) Ingredient(id IngredientID) (*Ingredient, bool) {
	for i := range c.Ingredients {
		if c.Ingredients[i].ID == id {
			return &c.Ingredients[i], true
		}
	}
	return nil, false
}

// Beverage finds a beverage and its brand.
func (c *Catalogue) Beverage(id ID) (*Brand, *Beverage, bool) {
	for i := range c.Brands {
		b := &c.Brands[i]
		for j := range b.Beverages {
			if b.Beverages[j].ID == id {
				return b, &b.Beverages[j], true
			}
		}
	}
	return nil, nil, false
}

// Missing lists the ingredients of v that the planogram does not stock, in recipe order; carriers are always there.
// Empty means: stocked.
func (c *Catalogue) Missing(v *Beverage, p *Planogram) []IngredientID {
	var out []IngredientID
	for _, part := range v.Recipe.Parts {
		if ing, ok := c.Ingredient(part.Ingredient); ok && ing.Kind == KindCarrier {
			continue
		}
		if !p.Has(part.Ingredient) {
			out = append(out, part.Ingredient)
		}
	}
	return out
}

// Has tells whether a slot holds the ingredient.
func (p *Planogram) Has(id IngredientID) bool {
	for _, s := range p.Slots {
		if s.Ingredient == id {
			return true
		}
	}
	return false
}
