// Searches Stockroom for its arguments, prints the titles, and reads an error.
//
// The gateway is looked for at STOCKROOM_SERVER, or on port 50051 of this machine.

import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";

import { BadRequestSchema, ErrorInfoSchema } from "../../../gen/typescript/google/rpc/error_details_pb.js";
import { SearchService } from "../../../gen/typescript/stockroom/v1/search_service_pb.js";

const keywords = process.argv.slice(2).join(" ") || "wireless headphones";
const address = process.env.STOCKROOM_SERVER ?? "127.0.0.1:50051";
const transport = createGrpcTransport({ baseUrl: `http://${address}`, defaultTimeoutMs: 10_000 });
const service = createClient(SearchService, transport);

const found = await service.searchProducts({ query: { keywords } });
for (const { product } of found.products) {
  console.log(product?.asin, product?.info?.title);
}

try {
  await service.searchProducts({ query: { keywords, category: "no such category" } });
} catch (error) {
  const refused = ConnectError.from(error);
  console.log(`${Code[refused.code]}: ${refused.rawMessage}`);
  for (const { reason, domain } of refused.findDetails(ErrorInfoSchema)) {
    console.log(`  ${reason} (${domain})`);
  }
  for (const { field, description } of refused.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations)) {
    console.log(`  ${field}: ${description}`);
  }
}
