package params

// Option describes one option of the grammar, for those who show it to people.
type Option struct {
	Name  string `json:"name"`
	Alias string `json:"alias,omitempty"`
	// Doc is what it does, in a sentence.
	Doc string `json:"doc"`
	// Words are the values that are words.
	Words []string `json:"words,omitempty"`
	// Number says which numbers are values; nil: none.
	Number *Range `json:"number,omitempty"`
	// Form is the shape of the values that are neither, as in XxY; "" = there are none.
	Form string `json:"form,omitempty"`
	// Color: every CSS colour is a value.
	Color bool `json:"color,omitempty"`
}

// Range are the numbers from Least to Most.
type Range struct {
	Least float64 `json:"least"`
	Most  float64 `json:"most"`
	Whole bool    `json:"whole"` // those between whole ones make no difference
}

// Grammar describes every option that a URL may have, by name.
func Grammar() []Option {
	all := make([]Option, len(grammar))
	for i := range grammar {
		row := &grammar[i]
		all[i] = Option{row.name, row.alias, row.doc, append([]string(nil), row.values.words...), row.values.number, row.values.form, row.values.color}
	}
	return all
}

// Values spells what o says of each option, as a URL would, canonically; options that
// have no effect are not there, nor are border and draw, which no URL can say.
func (o *Options) Values() map[string]string {
	all := map[string]string{}
	for i := range grammar {
		if value := grammar[i].spell(nil, o); len(value) > 0 {
			all[grammar[i].name] = string(value)
		}
	}
	return all
}

// values are what an option takes.
type values struct {
	words  []string
	number *Range
	form   string
	color  bool
}

func oneOf[T comparable](list []word[T]) values {
	var v values
	for _, w := range list {
		v.words = append(v.words, w.text)
	}
	return v
}

func words(list ...string) values { return values{words: list} }

func text(form string) values { return values{form: form} }

func colour() values { return values{color: true} }

func decimals(least, most float64) values { return values{number: &Range{least, most, false}} }

func wholes(least, most float64) values { return values{number: &Range{least, most, true}} }

// lengths are pixels.
func lengths() values { return wholes(1, maxLength) }

// fractions are pixels or, below 1, a part of the side.
func fractions() values { return decimals(0, maxLength) }

func (v values) or(form string) values {
	v.form = form
	return v
}

func (v values) between(least, most float64) values {
	v.number = &Range{least, most, true}
	return v
}
