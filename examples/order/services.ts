/**
 * Stand-ins for the services that the Activities call. Real ones keep their data
 * outside the Worker, and take an idempotency key just as these do.
 *
 * @module
 */

/** The warehouse: what is reserved, by reservation. */
export const reservations: Map<string, string> = new Map();

/** The payment service: the amount of each charge in cents, by idempotency key. */
export const charges: Map<string, number> = new Map();
