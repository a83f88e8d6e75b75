// The error of a failed call, with the details that the gateway sent.

import { ConnectError } from "@connectrpc/connect";

import { BadRequestSchema, ErrorInfoSchema, RequestInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ErrorReason } from "./gen/stockroom/v1/errors_pb.js";

export class StockroomError extends ConnectError {
  /** UNSPECIFIED where the gateway sent none, or one that this version does not know. */
  readonly reason: ErrorReason;
  /** How long to wait before another try can succeed. */
  readonly retryDelayMs?: number;
  /** Identifies the call in the gateway's log. */
  readonly requestId?: string;
  /** What is wrong with each invalid field of the request. */
  readonly fields: ReadonlyMap<string, string>;

  private constructor(error: ConnectError) {
    super(error.rawMessage, error.code, error.metadata, undefined, error.cause);
    this.details = error.details;
    const reason = this.findDetails(ErrorInfoSchema)[0]?.reason as keyof typeof ErrorReason | undefined;
    this.reason = (reason && ErrorReason[reason]) || ErrorReason.UNSPECIFIED;
    const delay = this.findDetails(RetryInfoSchema)[0]?.retryDelay;
    this.retryDelayMs = delay && Number(delay.seconds) * 1000 + delay.nanos / 1e6;
    this.requestId = this.findDetails(RequestInfoSchema)[0]?.requestId;
    const violations = this.findDetails(BadRequestSchema).flatMap((bad) => bad.fieldViolations);
    this.fields = new Map(violations.map(({ field, description }) => [field, description]));
  }

  static fromConnect(error: unknown): StockroomError {
    return error instanceof StockroomError ? error : new StockroomError(ConnectError.from(error));
  }

  // ConnectError accepts every error of its shape; this class accepts its own only.
  static [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === "object" && value !== null && StockroomError.prototype.isPrototypeOf(value);
  }
}
