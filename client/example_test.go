package client_test

import (
	"context"
	"log"

	"cim/client"
)

// An echo bot: it sends back whatever it is told. A message is acknowledged when its echo is stored, so
// nothing is lost when the bot, or a server, is killed.
func Example() {
	ctx := context.Background()
	bot, err := client.Connect(ctx, client.Options{
		Route:   "http://127.0.0.1:8083",
		Name:    "echo",
		Secrets: client.NewFileSecrets("secrets"), // the name stays the bot's own
		Handler: client.HandlerFuncs{OnMessage: func(ctx context.Context, m client.Message) error {
			if m.Kind != client.Private || m.From == 0 {
				return nil
			}
			_, err := client.FromContext(ctx).SendTo(ctx, m.From, m.Text)
			if client.CodeOf(err) != 0 {
				return nil // refused for good: trying again does not help
			}
			return err
		}},
	})
	if err != nil {
		log.Fatal(err)
	}
	<-bot.Done()
	log.Print(bot.Err())
}
