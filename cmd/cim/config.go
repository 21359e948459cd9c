package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strings"

	"github.com/alecthomas/kong"
	kongyaml "github.com/alecthomas/kong-yaml"
	"gopkg.in/yaml.v3"
)

// useConfigFile adds the YAML file that args or the environment name, if any, to where parser looks for
// values. It is found before parsing, so that required flags may stand in it.
func useConfigFile(parser *kong.Kong, args []string) error {
	path := configPath(args)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if err := checkConfig(parser.Model.Node, text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	resolver, err := kongyaml.Loader(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return kong.Resolvers(belowEnvironment(resolver)).Apply(parser)
}

// configPath is the value of --config, or of its environment variable.
func configPath(args []string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--config="); ok {
			return v
		}
		if a == "--config" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return os.Getenv("CIM_CONFIG")
}

// belowEnvironment keeps a file from overruling an environment variable; kong lets the file win.
func belowEnvironment(r kong.Resolver) kong.Resolver {
	return kong.ResolverFunc(func(c *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Envs {
			if _, set := os.LookupEnv(name); set {
				return nil, nil
			}
		}
		return r.Resolve(c, parent, flag)
	})
}

// checkConfig refuses what no flag would read: a misspelt key must not be a silent default.
func checkConfig(app *kong.Node, text []byte) error {
	var sections map[string]any
	documents := yaml.NewDecoder(bytes.NewReader(text))
	if err := documents.Decode(&sections); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("not YAML: %w", err)
	}
	if err := documents.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("more than one YAML document; everything belongs into one")
	}
	for name, section := range sections {
		i := slices.IndexFunc(app.Children, func(n *kong.Node) bool { return n.Name == name })
		if i < 0 {
			return fmt.Errorf("unknown section %q; there are: %s", name, names(app.Children))
		}
		keys, ok := section.(map[string]any)
		if !ok && section != nil {
			return fmt.Errorf("section %q has to hold keys and values", name)
		}
		if err := checkSection(app.Children[i], keys); err != nil {
			return err
		}
	}
	return nil
}

func checkSection(cmd *kong.Node, keys map[string]any) error {
	for key, value := range keys {
		if i := slices.IndexFunc(cmd.Children, func(n *kong.Node) bool { return n.Name == key }); i >= 0 {
			inner, ok := value.(map[string]any)
			if !ok && value != nil {
				return fmt.Errorf("%q in section %q has to hold keys and values", key, cmd.Name)
			}
			if err := checkSection(cmd.Children[i], inner); err != nil {
				return err
			}
			continue
		}
		if !slices.ContainsFunc(cmd.Flags, func(f *kong.Flag) bool { return f.Name == key }) {
			return fmt.Errorf("unknown key %q in section %q; \"cim %s --help\" lists its flags", key, cmd.Name, cmd.Name)
		}
	}
	return nil
}

func names(nodes []*kong.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	sort.Strings(all)
	return strings.Join(all, ", ")
}
