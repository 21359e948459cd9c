package main

import (
	"fmt"
	"strconv"
	"strings"
)

const emojiPage = 20 // rows of a page of :emoji

// emoji is a picture and its short name, as most chats know it.
type emoji struct{ name, picture string }

var emojis = []emoji{
	{"smile", "😄"},
	{"smiley", "😃"},
	{"grin", "😁"},
	{"laughing", "😆"},
	{"joy", "😂"},
	{"rofl", "🤣"},
	{"wink", "😉"},
	{"blush", "😊"},
	{"relaxed", "😌"},
	{"yum", "😋"},
	{"heart_eyes", "😍"},
	{"kiss", "😘"},
	{"cool", "😎"},
	{"thinking", "🤔"},
	{"neutral", "😐"},
	{"smirk", "😏"},
	{"unamused", "😒"},
	{"roll_eyes", "🙄"},
	{"grimace", "😬"},
	{"sleepy", "😪"},
	{"sleeping", "😴"},
	{"mask", "😷"},
	{"sick", "🤢"},
	{"sneeze", "🤧"},
	{"dizzy", "😵"},
	{"party", "🥳"},
	{"nerd", "🤓"},
	{"confused", "😕"},
	{"worried", "😟"},
	{"frown", "🙁"},
	{"open_mouth", "😮"},
	{"astonished", "😲"},
	{"flushed", "😳"},
	{"pleading", "🥺"},
	{"fearful", "😨"},
	{"cold_sweat", "😰"},
	{"cry", "😢"},
	{"sob", "😭"},
	{"scream", "😱"},
	{"tired", "😫"},
	{"yawn", "🥱"},
	{"angry", "😠"},
	{"rage", "😡"},
	{"swear", "🤬"},
	{"devil", "😈"},
	{"skull", "💀"},
	{"poop", "💩"},
	{"clown", "🤡"},
	{"ghost", "👻"},
	{"alien", "👽"},
	{"robot", "🤖"},
	{"cat", "🐱"},
	{"dog", "🐶"},
	{"monkey", "🐵"},
	{"panda", "🐼"},
	{"bug", "🐛"},
	{"bee", "🐝"},
	{"fish", "🐟"},
	{"wave", "👋"},
	{"ok", "👌"},
	{"+1", "👍"},
	{"-1", "👎"},
	{"fist", "✊"},
	{"clap", "👏"},
	{"raised", "🙌"},
	{"handshake", "🤝"},
	{"pray", "🙏"},
	{"muscle", "💪"},
	{"eyes", "👀"},
	{"brain", "🧠"},
	{"heart", "💗"},
	{"broken_heart", "💔"},
	{"sparkles", "✨"},
	{"star", "⭐"},
	{"fire", "🔥"},
	{"boom", "💥"},
	{"100", "💯"},
	{"zzz", "💤"},
	{"rose", "🌹"},
	{"tree", "🌳"},
	{"rainbow", "🌈"},
	{"moon", "🌙"},
	{"sun", "🌞"},
	{"snowman", "⛄"},
	{"ocean", "🌊"},
	{"coffee", "☕"},
	{"tea", "🍵"},
	{"beer", "🍺"},
	{"wine", "🍷"},
	{"cake", "🎂"},
	{"pizza", "🍕"},
	{"rice", "🍚"},
	{"apple", "🍎"},
	{"gift", "🎁"},
	{"tada", "🎉"},
	{"balloon", "🎈"},
	{"trophy", "🏆"},
	{"music", "🎵"},
	{"rocket", "🚀"},
	{"car", "🚗"},
	{"train", "🚆"},
	{"plane", "🛫"},
	{"house", "🏠"},
	{"bulb", "💡"},
	{"book", "📖"},
	{"lock", "🔒"},
	{"key", "🔑"},
	{"bell", "🔔"},
	{"clock", "⏰"},
	{"hourglass", "⏳"},
	{"check", "✅"},
	{"x", "❌"},
	{"question", "❓"},
	{"warning", "🚧"},
	{"computer", "💻"},
}

// withEmoji replaces the short names between colons in s; other things between colons stay.
var withEmoji = emojiReplacer().Replace

func emojiReplacer() *strings.Replacer {
	var pairs []string
	for _, e := range emojis {
		pairs = append(pairs, ":"+e.name+":", e.picture)
	}
	return strings.NewReplacer(pairs...)
}

// emojiTable is one page of the emojis, counted from 1; an empty arg is the first.
func emojiTable(arg string) ([][2]string, error) {
	pages := (len(emojis) + emojiPage - 1) / emojiPage
	page, err := strconv.Atoi(arg)
	if arg == "" {
		page, err = 1, nil
	}
	if err != nil || page < 1 || page > pages {
		return nil, fmt.Errorf(":emoji has the pages 1 to %d, as in :emoji 2", pages)
	}
	first := (page - 1) * emojiPage
	var table [][2]string
	for _, e := range emojis[first:min(first+emojiPage, len(emojis))] {
		table = append(table, [2]string{":" + e.name + ":", e.picture})
	}
	if page < pages {
		table = append(table, [2]string{fmt.Sprintf(":emoji %d", page+1), fmt.Sprintf("page %d of %d", page+1, pages)})
	}
	return table, nil
}
