/** What the shop sells: the price of each, and how many there are at first. */
export const goods: Record<string, { cents: number; stock: number }> = {
  book: { cents: 2_000, stock: 1_000 },
  lamp: { cents: 4_500, stock: 100 },
  pen: { cents: 300, stock: 1 },
};
