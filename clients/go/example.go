// Command example searches Stockroom for its arguments, prints the titles, and reads an error.
//
// The gateway is looked for at STOCKROOM_SERVER, or on port 50051 of this machine.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // the types of an error's details
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	stockroomv1 "stockroom/gen/go/stockroom/v1"
)

func main() {
	words := strings.Join(os.Args[1:], " ")
	if words == "" {
		words = "wireless headphones"
	}
	address := os.Getenv("STOCKROOM_SERVER")
	if address == "" {
		address = "127.0.0.1:50051"
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	service := stockroomv1.NewSearchServiceClient(connection)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	found, err := service.SearchProducts(ctx, &stockroomv1.SearchProductsRequest{
		Query: &stockroomv1.SearchQuery{Keywords: words},
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, entry := range found.GetProducts() {
		fmt.Println(entry.GetProduct().GetAsin(), entry.GetProduct().GetInfo().GetTitle())
	}

	_, err = service.SearchProducts(ctx, &stockroomv1.SearchProductsRequest{
		Query: &stockroomv1.SearchQuery{Keywords: words, Category: "no such category"},
	})
	refused := status.Convert(err)
	fmt.Printf("%s: %s\n", refused.Code(), refused.Message())
	for _, detail := range refused.Details() {
		fmt.Printf("  %T: %v\n", detail, detail)
	}
}
