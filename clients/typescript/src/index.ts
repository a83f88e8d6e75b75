// What the clients for Node and for browsers share: the stubs, typed errors and paging.

export { clientOver, type Client } from "./client.js";
export { StockroomError } from "./errors.js";
export type { ConnectOptions } from "./options.js";
export * from "./gen/stockroom/v1/admin_service_pb.js";
export * from "./gen/stockroom/v1/browse_service_pb.js";
export * from "./gen/stockroom/v1/errors_pb.js";
export * from "./gen/stockroom/v1/product_pb.js";
export * from "./gen/stockroom/v1/product_service_pb.js";
export * from "./gen/stockroom/v1/read_pb.js";
export * from "./gen/stockroom/v1/search_service_pb.js";
