// Server-Sent Events as bytes come: https://html.spec.whatwg.org/multipage/server-sent-events.html

/** One event of a stream; its data say what it is. */
export interface Frame {
  data: string;
  /** The last id that the stream has named, by this event or before. */
  id: string;
}

/** Reads a stream piece by piece, wherever the pieces are cut. */
export class FrameReader {
  /** How long to wait before coming back, where the stream said so. */
  retryMs: number | undefined;
  private readonly decoder = new TextDecoder();
  private rest = "";
  private data: string[] = [];
  private id = "";

  /** How much has come of an event that is not over. */
  get heldChars(): number {
    return this.rest.length + this.data.reduce((sum, line) => sum + line.length, 0);
  }

  /** Take a piece, and give the events that it completes. */
  *read(piece: Uint8Array): Generator<Frame> {
    const text = this.rest + this.decoder.decode(piece, { stream: true });
    // A CR at the end may be half of a line's end.
    const whole = text.endsWith("\r") ? text.slice(0, -1) : text;
    const lines = whole.split(/\r\n|\n|\r/);
    this.rest = (lines.pop() ?? "") + text.slice(whole.length);
    for (const line of lines) yield* this.line(line);
  }

  private *line(line: string): Generator<Frame> {
    if (line === "") {
      if (this.data.length) yield { data: this.data.join("\n"), id: this.id };
      this.data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    this.field(name, colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, ""));
  }

  private field(name: string, value: string): void {
    if (name === "data") this.data.push(value);
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }
}
