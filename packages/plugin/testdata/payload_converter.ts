/** A payload converter for {@linkcode Greeting}, and for what JSON can write. */

import {
  CompositePayloadConverter,
  JsonPayloadConverter,
  type Payload,
  type PayloadConverterWithEncoding,
  UndefinedPayloadConverter,
} from "@temporalio/common";
import { decode, encode } from "@temporalio/common/lib/encoding.js";
import { Greeting } from "./greeting.ts";

class GreetingConverter implements PayloadConverterWithEncoding {
  readonly encodingType = "test/greeting" as never;

  toPayload(value: unknown): Payload | undefined {
    if (!(value instanceof Greeting)) return;
    const metadata = { encoding: encode(this.encodingType) };
    return { metadata, data: encode(value.text) };
  }

  fromPayload<T>({ data }: Payload): T {
    return new Greeting(decode(data!)) as T;
  }
}

/** Loaded by the SDK by name, in the Worker and in Workflow code. */
export const payloadConverter = new CompositePayloadConverter(
  new UndefinedPayloadConverter(),
  new GreetingConverter(),
  new JsonPayloadConverter(),
);
