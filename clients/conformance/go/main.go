// Command conformance checks the Go client against live gateways; clients/conformance/run starts them.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc/codes"

	stockroom "github.com/stockroom-gateway/stockroom/clients/go"
	pb "github.com/stockroom-gateway/stockroom/clients/go/stockroomv1"
)

var background = context.Background()

func main() {
	failed := false
	for _, check := range []struct {
		name string
		run  func() error
	}{
		{"search", search}, {"pages", pages}, {"batch", batch}, {"compare", compare}, {"refusal", refusal},
		{"busy", busy}, {"deadline", deadline}, {"cancel", cancel}, {"token", token}, {"tls", overTLS}, {"restart", restart},
	} {
		if err := check.run(); err != nil {
			failed = true
			fmt.Printf("FAILED %s: %v\n", check.name, err)
		} else {
			fmt.Printf("ok %s\n", check.name)
		}
	}
	if failed {
		os.Exit(1)
	}
}

func query(words string) *pb.SearchProductsRequest {
	return &pb.SearchProductsRequest{Query: &pb.SearchQuery{Keywords: words}}
}

func client(variable string, options ...stockroom.Option) *stockroom.Client {
	client, err := stockroom.Connect(os.Getenv(variable), options...)
	if err != nil {
		panic(err)
	}
	return client
}

func expect(holds bool, format string, values ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, values...)
}

func search() error {
	for _, prefix := range []string{"", "http://"} {
		client, err := stockroom.Connect(prefix + os.Getenv("STOCKROOM_SERVER"))
		if err != nil {
			return err
		}
		defer client.Close()
		page, err := client.Search.SearchProducts(background, query("wireless headphones"))
		if err != nil || len(page.GetProducts()) != 10 || page.GetProducts()[0].GetProduct().GetInfo().GetTitle() == "" {
			return fmt.Errorf("%v, %v", page, err)
		}
	}
	return nil
}

func pages() error {
	client := client("STOCKROOM_SERVER")
	defer client.Close()
	asins, total := map[string]bool{}, int64(0)
	for page, err := range client.SearchPages(background, query("wireless headphones")) {
		if err != nil {
			return err
		}
		total = page.GetTotalResults()
		for _, entry := range page.GetProducts() {
			asins[entry.GetProduct().GetAsin()] = true
		}
	}
	return expect(total > 10 && int64(len(asins)) == min(total, 100), "%d of %d", len(asins), total)
}

func batch() error {
	client := client("STOCKROOM_SERVER")
	defer client.Close()
	request := &pb.GetProductsRequest{Asins: []string{"B0SBHEAD01", "not an ASIN", "B0SBNOBODY"}}
	response, err := client.Products.GetProducts(background, request)
	if err != nil || len(response.GetOutcomes()) != 3 {
		return fmt.Errorf("%v, %v", response, err)
	}
	outcomes := response.GetOutcomes()
	holds := outcomes[0].GetEntry() != nil && outcomes[1].GetAbsence() != nil && outcomes[2].GetAbsence() != nil
	return expect(holds, "%v", outcomes)
}

func compare() error {
	client := client("STOCKROOM_SERVER")
	defer client.Close()
	request := &pb.CompareProductsRequest{Asins: []string{"B0SBHEAD01", "B0SBHEAD02", "B0SBNOBODY"}}
	rows, missing, summaries := 0, 0, 0
	for message, err := range stockroom.Messages(client.Products.CompareProducts(background, request)) {
		if err != nil {
			return err
		}
		switch message.GetEvent().(type) {
		case *pb.CompareProductsResponse_Row:
			rows++
		case *pb.CompareProductsResponse_Missing:
			missing++
		case *pb.CompareProductsResponse_Summary:
			summaries++
		}
	}
	return expect(rows == 2 && missing == 1 && summaries == 1, "%d, %d, %d", rows, missing, summaries)
}

func refusal() error {
	plain, spent := client("STOCKROOM_SERVER"), client("STOCKROOM_SPENT_SERVER")
	defer plain.Close()
	defer spent.Close()
	var refused *stockroom.Error
	invalid := query("lamp")
	invalid.Query.Category = "no such category"
	_, err := plain.Search.SearchProducts(background, invalid)
	if !errors.As(err, &refused) || refused.Code != codes.InvalidArgument || refused.RequestID == "" ||
		refused.Reason != pb.ErrorReason_ERROR_REASON_INVALID_REQUEST || refused.Fields[0].Field != "query.category" {
		return fmt.Errorf("%#v", err)
	}
	_, err = spent.Search.SearchProducts(background, query("lamp"))
	holds := errors.As(err, &refused) && refused.Reason == pb.ErrorReason_ERROR_REASON_DAY_BUDGET_SPENT && refused.RetryDelay > 0
	return expect(holds, "%#v", err)
}

// A call that waits longer than its deadline allows is refused at once, and the retry policy obeys the gateway's pushback.
func busy() error {
	client := client("STOCKROOM_BUSY_SERVER", stockroom.WithDeadline(5*time.Second))
	defer client.Close()
	began := time.Now()
	_, err := client.Search.SearchProducts(background, query("lamp"))
	fmt.Printf("refused after %d ms of 5 s\n", time.Since(began).Milliseconds())
	var refused *stockroom.Error
	holds := errors.As(err, &refused) && refused.Code == codes.Unavailable &&
		refused.Reason == pb.ErrorReason_ERROR_REASON_WAIT_EXCEEDS_DEADLINE
	return expect(holds, "%#v", err)
}

func deadline() error {
	client := client("STOCKROOM_SLOW_SERVER", stockroom.WithDeadline(300*time.Millisecond))
	defer client.Close()
	_, err := client.Search.SearchProducts(background, query("lamp"))
	var late *stockroom.Error
	return expect(errors.As(err, &late) && late.Code == codes.DeadlineExceeded, "%v", err)
}

func cancel() error {
	client := client("STOCKROOM_SLOW_SERVER")
	defer client.Close()
	ctx, cancel := context.WithCancel(background)
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := client.Search.SearchProducts(ctx, query("kettle"))
	var cancelled *stockroom.Error
	return expect(errors.As(err, &cancelled) && cancelled.Code == codes.Canceled, "%v", err)
}

func token() error {
	with, without := client("STOCKROOM_TOKEN_SERVER", stockroom.WithToken(os.Getenv("STOCKROOM_TOKEN"))), client("STOCKROOM_TOKEN_SERVER")
	defer with.Close()
	defer without.Close()
	if _, err := with.Search.SearchProducts(background, query("lamp")); err != nil {
		return err
	}
	_, err := without.Search.SearchProducts(background, query("lamp"))
	var refused *stockroom.Error
	return expect(errors.As(err, &refused) && refused.Code == codes.Unauthenticated, "%v", err)
}

func overTLS() error {
	pem, err := os.ReadFile(os.Getenv("STOCKROOM_CA_FILE"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := client("STOCKROOM_TLS_SERVER", stockroom.WithTLS(&tls.Config{RootCAs: roots}), stockroom.WithToken(os.Getenv("STOCKROOM_TOKEN")))
	defer client.Close()
	_, err = client.Search.SearchProducts(background, query("lamp"))
	return err
}

func restart() error {
	client := client("STOCKROOM_RESTART_SERVER")
	defer client.Close()
	if _, err := client.Search.SearchProducts(background, query("lamp")); err != nil {
		return err
	}
	restarted := make(chan error)
	go func() {
		answer, err := http.Get(os.Getenv("STOCKROOM_RESTART_URL"))
		if err == nil {
			err = answer.Body.Close()
		}
		restarted <- err
	}()
	for under := true; under; {
		select {
		case err := <-restarted:
			if err != nil {
				return err
			}
			under = false
		default:
			if err := answeredOrUnavailable(client); err != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for until := time.Now().Add(15 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		_, err := client.Search.SearchProducts(background, query("lamp"))
		if err == nil || time.Now().After(until) {
			return err
		}
	}
}

func answeredOrUnavailable(client *stockroom.Client) error {
	_, err := client.Search.SearchProducts(background, query("lamp"))
	var unavailable *stockroom.Error
	if err == nil || errors.As(err, &unavailable) && unavailable.Code == codes.Unavailable {
		return nil
	}
	return err
}
