// A transport whose errors are all typed, those of deadlines and cancellation included: these arise outside interceptors.

import type { StreamResponse, Transport } from "@connectrpc/connect";
import type { DescMessage } from "@bufbuild/protobuf";

import { StockroomError } from "./errors.js";

export function typedTransport(transport: Transport): Transport {
  return {
    async unary(...call) {
      try {
        return await transport.unary(...call);
      } catch (error) {
        throw StockroomError.fromConnect(error);
      }
    },
    async stream(...call) {
      try {
        const response = await transport.stream(...call);
        return { ...response, message: typedMessages(response) };
      } catch (error) {
        throw StockroomError.fromConnect(error);
      }
    },
  };
}

async function* typedMessages<I extends DescMessage, O extends DescMessage>(response: StreamResponse<I, O>) {
  try {
    yield* response.message;
  } catch (error) {
    throw StockroomError.fromConnect(error);
  }
}
