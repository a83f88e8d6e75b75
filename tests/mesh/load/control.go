package main

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"

	cluster "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	core "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpoint "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listener "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	route "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	router "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	manager "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	name = "stockroom"
	// node is the id in the client's bootstrap file.
	node = "trial"
)

// control is the control plane of the target xds:///stockroom. Its first line is its address; each line of its input has the
// ports of the gateways from then on.
func control([]string) error {
	port, err := listen()
	if err != nil {
		return err
	}
	snapshots := cache.NewSnapshotCache(false, cache.IDHash{}, nil)
	plane := grpc.NewServer()
	discovery.RegisterAggregatedDiscoveryServiceServer(plane, server.NewServer(context.Background(), snapshots, nil))
	go plane.Serve(port)
	lines := bufio.NewScanner(os.Stdin)
	for version := 1; lines.Scan(); version++ {
		snapshot, err := snapshotOf(version, strings.Fields(lines.Text()))
		if err != nil {
			return err
		}
		if err := snapshots.SetSnapshot(context.Background(), node, snapshot); err != nil {
			return err
		}
	}
	return lines.Err()
}

func snapshotOf(version int, ports []string) (*cache.Snapshot, error) {
	var endpoints []*endpoint.LbEndpoint
	for _, port := range ports {
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return nil, err
		}
		socket := &core.SocketAddress{Address: "127.0.0.1", PortSpecifier: &core.SocketAddress_PortValue{PortValue: uint32(number)}}
		address := &core.Address{Address: &core.Address_SocketAddress{SocketAddress: socket}}
		endpoints = append(endpoints, &endpoint.LbEndpoint{
			HostIdentifier: &endpoint.LbEndpoint_Endpoint{Endpoint: &endpoint.Endpoint{Address: address}}})
	}
	assignment := &endpoint.ClusterLoadAssignment{ClusterName: name, Endpoints: []*endpoint.LocalityLbEndpoints{{
		Locality: &core.Locality{Region: "here"}, LbEndpoints: endpoints, LoadBalancingWeight: wrapperspb.UInt32(1)}}}
	aggregated := &core.ConfigSource{ResourceApiVersion: core.ApiVersion_V3,
		ConfigSourceSpecifier: &core.ConfigSource_Ads{Ads: &core.AggregatedConfigSource{}}}
	gateways := &cluster.Cluster{Name: name, ClusterDiscoveryType: &cluster.Cluster_Type{Type: cluster.Cluster_EDS},
		EdsClusterConfig: &cluster.Cluster_EdsClusterConfig{EdsConfig: aggregated}, LbPolicy: cluster.Cluster_ROUND_ROBIN}
	everything := &route.Route{Match: &route.RouteMatch{PathSpecifier: &route.RouteMatch_Prefix{Prefix: "/"}},
		Action: &route.Route_Route{Route: &route.RouteAction{ClusterSpecifier: &route.RouteAction_Cluster{Cluster: name}}}}
	routes := &route.RouteConfiguration{Name: name,
		VirtualHosts: []*route.VirtualHost{{Name: name, Domains: []string{"*"}, Routes: []*route.Route{everything}}}}
	filter, err := anypb.New(&router.Router{})
	if err != nil {
		return nil, err
	}
	http, err := anypb.New(proto.Message(&manager.HttpConnectionManager{
		RouteSpecifier: &manager.HttpConnectionManager_RouteConfig{RouteConfig: routes},
		HttpFilters:    []*manager.HttpFilter{{Name: "router", ConfigType: &manager.HttpFilter_TypedConfig{TypedConfig: filter}}}}))
	if err != nil {
		return nil, err
	}
	api := &listener.Listener{Name: name, ApiListener: &listener.ApiListener{ApiListener: http}}
	return cache.NewSnapshot(strconv.Itoa(version), map[resource.Type][]types.Resource{
		resource.ListenerType: {api}, resource.ClusterType: {gateways}, resource.EndpointType: {assignment}})
}
