/** What the pages show. */

import { goods } from "./goods.ts";
import orderTemplate from "./static/order.html" with { type: "text" };
import shopTemplate from "./static/shop.html" with { type: "text" };
import { openStates, type Status } from "./workflows.ts";

/** Fills in a template, and escapes all text that is put in. */
function fill(template: string, values: Record<string, string>): string {
  const escape = (text: string) =>
    text.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
  return template.replaceAll(/{(\w+)}/g, (_, name) => escape(values[name]));
}

/** The page to order from. The form has the number that its order will have. */
export function shopPage(id: string): string {
  const fillOptions = (option: string) =>
    Object.entries(goods).map(([name, { cents }]) =>
      fill(option, { name, price: (cents / 100).toFixed(2) })
    ).join("");
  return fill(shopTemplate.replace(/<option.+<\/option>/, fillOptions), { id });
}

/** The page of an order, which the script keeps up to date. */
export function orderPage(id: string, title: string): string {
  return fill(orderTemplate, { id, title });
}

const texts: Record<Status["state"], string> = {
  reserving: "Looking for it in stock",
  charging: "Charging your card",
  paid: "Paid; it ships soon, and you can still cancel",
  shipping: "On its way",
  undoing: "Undoing your order",
  delivered: "Delivered",
  canceled: "Canceled; you have your money back",
  failed: "Failed; you have your money back",
};

/** Describes an order; without a status, no Worker answers. */
export function describe(status?: Status) {
  if (!status) return { text: "Waiting for the shop", isFinal: false };
  const { state, address, notice } = status;
  return {
    text: notice ? `${texts[state]}: ${notice}` : texts[state],
    address,
    canChange: openStates.includes(state),
    isFinal: ["delivered", "canceled", "failed"].includes(state),
  };
}
