/** A class that JSON loses. */
export class Greeting {
  constructor(readonly text: string) {}
}
