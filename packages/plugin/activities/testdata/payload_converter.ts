/** A payload converter that keeps a `Map`. */

import {
  CompositePayloadConverter,
  JsonPayloadConverter,
} from "@temporalio/common";

const replacer = (_key: string, value: unknown) =>
  value instanceof Map ? { map: [...value] } : value;
const reviver = (_key: string, value: { map?: [] } | null) =>
  value?.map && Array.isArray(value.map) ? new Map(value.map) : value;

class MapConverter extends JsonPayloadConverter {
  override toPayload(value: unknown) {
    return super.toPayload(JSON.parse(JSON.stringify(value, replacer)));
  }

  override fromPayload<T>(
    content: Parameters<JsonPayloadConverter["fromPayload"]>[0],
  ): T {
    return JSON.parse(JSON.stringify(super.fromPayload(content)), reviver);
  }
}

export const payloadConverter = new CompositePayloadConverter(
  new MapConverter(),
);
