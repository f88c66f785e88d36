package stanch

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// A Schemer is a type that knows its own JSON Schema.
type Schemer interface {
	JSONSchema() map[string]any
}

// SchemaOf is the JSON Schema (2020-12) of a type. An object takes no members that it does not name.
//
// Of a field's tags `json` is its name, `doc` the description, `default` the value where it is left out (as JSON, or plain
// text for a string), and `schema` more words of its schema, as JSON: `schema:"{\"minimum\":1}"`. A field without a default,
// without `omitempty` and that is no pointer has to be given.
func SchemaOf[T any]() map[string]any {
	out := map[string]any{"$schema": "https://json-schema.org/draft/2020-12/schema"}
	for word, value := range schemaOf(reflect.TypeFor[T](), 0) {
		out[word] = value
	}
	return out
}

func schemaOf(t reflect.Type, depth int) map[string]any {
	if depth > 32 {
		panic(fmt.Sprintf("`%s` holds itself: parameters and data are trees of known depth", t))
	}
	if own, ok := reflect.New(t).Interface().(Schemer); ok {
		return own.JSONSchema()
	}
	switch t.Kind() {
	case reflect.Pointer:
		return orNull(schemaOf(t.Elem(), depth+1))
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice, reflect.Array:
		return map[string]any{"type": "array", "items": schemaOf(t.Elem(), depth+1)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": schemaOf(t.Elem(), depth+1)}
	case reflect.Interface:
		return map[string]any{}
	case reflect.Struct:
		return objectSchema(t, depth)
	}
	panic(fmt.Sprintf("the kit has no schema for `%s`: give it a method JSONSchema", t))
}

func objectSchema(t reflect.Type, depth int) map[string]any {
	properties, required := map[string]any{}, []string{}
	for _, field := range fieldsOf(t) {
		member := schemaOf(field.Type, depth+1)
		if doc := field.Tag.Get("doc"); doc != "" {
			member["description"] = doc
		}
		if more := field.Tag.Get("schema"); more != "" {
			if err := json.Unmarshal([]byte(more), &member); err != nil {
				panic(fmt.Sprintf("the tag `schema` of `%s.%s` is no JSON object: %v", t, field.Name, err))
			}
		}
		if text, ok := field.Tag.Lookup("default"); ok {
			member["default"] = defaultOf(text)
		}
		if field.required {
			required = append(required, field.name)
		}
		properties[field.name] = member
	}
	out := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

type member struct {
	reflect.StructField
	name     string
	required bool
}

func fieldsOf(t reflect.Type) []member {
	var fields []member
	for i := range t.NumField() {
		field := t.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = field.Name
		}
		_, hasDefault := field.Tag.Lookup("default")
		required := !hasDefault && field.Type.Kind() != reflect.Pointer && !strings.Contains(options, "omitempty")
		fields = append(fields, member{field, name, required})
	}
	return fields
}

func orNull(schema map[string]any) map[string]any {
	if kind, ok := schema["type"].(string); ok {
		schema["type"] = []string{kind, "null"}
		return schema
	}
	if len(schema) == 0 {
		return schema
	}
	return map[string]any{"anyOf": []any{schema, map[string]any{"type": "null"}}}
}

// defaultOf reads the tag `default`: JSON, or what is none as a string.
func defaultOf(text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) == nil {
		return value
	}
	return text
}

func setDefaults(value any) error {
	v := reflect.ValueOf(value).Elem()
	if v.Kind() != reflect.Struct {
		return nil
	}
	for _, field := range fieldsOf(v.Type()) {
		text, ok := field.Tag.Lookup("default")
		if !ok {
			continue
		}
		encoded, err := json.Marshal(defaultOf(text))
		if err != nil {
			return err
		}
		if err := json.Unmarshal(encoded, v.FieldByIndex(field.Index).Addr().Interface()); err != nil {
			return fmt.Errorf("the default of `%s` does not fit: %w", field.name, err)
		}
	}
	return nil
}

// requireAll says which member has to be given and is not: encoding/json takes it for its zero value.
func requireAll(value any, text []byte) error {
	t := reflect.TypeOf(value).Elem()
	if t.Kind() != reflect.Struct {
		return nil
	}
	var given map[string]json.RawMessage
	if err := json.Unmarshal(text, &given); err != nil {
		return err
	}
	for _, field := range fieldsOf(t) {
		if _, ok := given[field.name]; field.required && !ok {
			return fmt.Errorf("`%s` is missing", field.name)
		}
	}
	return nil
}
