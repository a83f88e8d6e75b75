// The stubs of the four services over one transport.

import type { MessageInitShape } from "@bufbuild/protobuf";
import { create } from "@bufbuild/protobuf";
import { type CallOptions, type Client as Stub, createClient, type Transport } from "@connectrpc/connect";

import { AdminService } from "./gen/stockroom/v1/admin_service_pb.js";
import { BrowseService } from "./gen/stockroom/v1/browse_service_pb.js";
import { ProductService } from "./gen/stockroom/v1/product_service_pb.js";
import {
  SearchProductsRequestSchema,
  type SearchProductsResponse,
  SearchService,
} from "./gen/stockroom/v1/search_service_pb.js";
import { typedTransport } from "./typed-transport.js";

export interface Client {
  search: Stub<typeof SearchService>;
  products: Stub<typeof ProductService>;
  browse: Stub<typeof BrowseService>;
  admin: Stub<typeof AdminService>;
  transport: Transport;
  /** The pages of a search, until the last one. */
  searchPages(
    request: MessageInitShape<typeof SearchProductsRequestSchema>,
    options?: CallOptions,
  ): AsyncIterable<SearchProductsResponse>;
}

/** A client over a transport of your own. */
export function clientOver(untyped: Transport): Client {
  const transport = typedTransport(untyped);
  const search = createClient(SearchService, transport);
  return {
    search,
    products: createClient(ProductService, transport),
    browse: createClient(BrowseService, transport),
    admin: createClient(AdminService, transport),
    transport,
    async *searchPages(request, options) {
      let pageToken = create(SearchProductsRequestSchema, request).pageToken;
      do {
        const page = await search.searchProducts({ ...request, pageToken } as typeof request, options);
        yield page;
        pageToken = page.nextPageToken;
      } while (pageToken);
    },
  };
}
