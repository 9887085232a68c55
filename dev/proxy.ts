/**
 * A line between two programs that can be cut.
 *
 * @module
 */

/** Passes on what comes to a port of its own to another of this machine. */
export class Proxy implements Disposable {
  /** Where it listens, `host:port`. */
  readonly address: string;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #port: number;
  #open = true;

  /** Listens, and passes on to this port. */
  constructor(port: number) {
    this.#port = port;
    this.address = `127.0.0.1:${this.#listener.addr.port}`;
    this.#accept();
  }

  async #accept() {
    for await (const near of this.#listener) {
      if (this.#open) this.#connect(near).catch(() => {});
      else near.close();
    }
  }

  async #connect(near: Deno.Conn) {
    using _near = near;
    this.#connections.add(near);
    using far = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    const back = far.readable.pipeTo(near.writable);
    await Promise.all([near.readable.pipeTo(far.writable), back]);
  }

  /** Ends all connections, and lets none through until `mend`. */
  cut() {
    this.#open = false;
    for (const connection of this.#connections) close(connection);
    this.#connections.clear();
  }

  /** Lets connections through again. */
  mend() {
    this.#open = true;
  }

  /** Ends all connections, and listens no more. */
  [Symbol.dispose]() {
    this.cut();
    this.#listener.close();
  }
}

function close(connection: Deno.Conn) {
  try {
    connection.close();
  } catch {
    // It has ended by itself.
  }
}
