/** Encodes payloads, as one that encrypts them does. */

import type { PayloadCodec } from "@temporalio/common";

export const codec: PayloadCodec = {
  async encode(payloads) {
    return payloads.map(({ data, ...rest }) => ({
      ...rest,
      data: data?.map((byte) => byte ^ 42),
    }));
  },
  async decode(payloads) {
    return await this.encode(payloads);
  },
};
