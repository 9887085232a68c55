/**
 * A TCP proxy whose connections can be cut.
 *
 * @module
 */

/** Forwards connections from a port of its own to another one of this machine. */
export class Proxy implements Disposable {
  /** Where it listens, as `host:port`. */
  readonly address: string;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #port: number;
  #isOpen = true;

  /** @param port where connections are forwarded to */
  constructor(port: number) {
    this.#port = port;
    this.address = `127.0.0.1:${this.#listener.addr.port}`;
    this.#accept();
  }

  async #accept() {
    for await (const near of this.#listener) {
      if (this.#isOpen) this.#forward(near).catch(() => {});
      else near.close();
    }
  }

  async #forward(near: Deno.Conn) {
    using _near = near;
    this.#connections.add(near);
    using far = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    const back = far.readable.pipeTo(near.writable);
    await Promise.all([near.readable.pipeTo(far.writable), back]);
  }

  /** Closes all connections and accepts none until {@linkcode restore}. */
  cut() {
    this.#isOpen = false;
    for (const connection of this.#connections) {
      try {
        connection.close();
      } catch {
        // It is closed already.
      }
    }
    this.#connections.clear();
  }

  /** Accepts connections again. */
  restore() {
    this.#isOpen = true;
  }

  /** Closes all connections and stops listening. */
  [Symbol.dispose]() {
    this.cut();
    this.#listener.close();
  }
}
