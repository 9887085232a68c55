/** The pages, as HTML. */

import { goods } from "./goods.ts";
import type { Status } from "./workflows.ts";

class Html extends String {}

/** Makes HTML of a template, and escapes all text that is put in. */
function h(
  strings: TemplateStringsArray,
  ...values: (string | Html | Html[])[]
) {
  const parts = values.map((value) =>
    typeof value === "string"
      ? value.replaceAll(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`)
      : [value].flat().join("")
  );
  return new Html(String.raw({ raw: strings }, ...parts));
}

const page = (title: string, body: Html) =>
  h`<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>${title}</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="/style.css">
<h1>${title}</h1>
${body}
`;

export const style = `
body { font: 1.1rem system-ui, sans-serif; margin: 3rem auto; max-width: 34rem }
label, input, select, button { display: block; font: inherit; margin: 0.5rem 0 }
#status { background: #eef4ff; padding: 1rem }`;

/** The page to order from. The form has the number that its order will have. */
export const shopPage = (id: string) =>
  page(
    "Shop",
    h`<form method="post" action="/orders">
<input type="hidden" name="id" value="${id}">
<label>Goods <select name="goods">${
      Object.entries(goods).map(([name, { cents }]) =>
        h`<option value="${name}">${name}, $${
          (cents / 100).toFixed(2)
        }</option>`
      )
    }</select></label>
<label>Name <input name="name" required maxlength="200"></label>
<label>Address <input name="address" required maxlength="200"></label>
<label>Card <input name="card" required value="4242 4242 4242 4242"></label>
<button>Order</button></form>`,
  );

/** The page of an order, which the script keeps up to date. */
export const orderPage = (id: string, title: string) =>
  page(
    title,
    h`<p>Order ${id}</p>
<p id="status" role="status">…</p>
<p>Address: <span id="address"></span></p>
<form method="post" action="/orders/${id}/address">
<label>New address <input name="address" required maxlength="200"></label>
<button disabled>Change address</button></form>
<form method="post" action="/orders/${id}/cancel"><button disabled>Cancel</button></form>
<p><a href="/">Order something else</a></p>
<script src="/order.js" type="module"></script>`,
  );

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

/** What the page shows of an order; without a status, no Worker answers. */
export function describe(status?: Status) {
  if (!status) return { text: "Waiting for the shop", isFinal: false };
  const { state, address, notice = "" } = status;
  return {
    text: texts[state] + (notice && `: ${notice}`),
    address,
    canChange: ["reserving", "charging", "paid"].includes(state),
    isFinal: ["delivered", "canceled", "failed"].includes(state),
  };
}
