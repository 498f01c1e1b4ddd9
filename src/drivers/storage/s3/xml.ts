/**
 * Reads the small XML documents of S3 and STS: elements without attributes that matter, nested by name, no CDATA. A
 * whole parser is not needed to pick texts out of answers that a machine made.
 */

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };

/** Text of the first element of that name. */
export function textIn(xml: string, name: string): string | undefined {
  const found = new RegExp(`<${name}(?:\\s[^>]*)?>([^<]*)</${name}>`).exec(xml)?.[1];
  return found === undefined ? undefined : decode(found);
}

/** Contents of every element of that name, as XML; elements of the same name must not be nested. */
export function elementsIn(xml: string, name: string): string[] {
  const found: string[] = [];
  const [open, close] = [`<${name}>`, `</${name}>`];
  for (let at = xml.indexOf(open); at !== -1;) {
    const end = xml.indexOf(close, at);
    if (end === -1) break;
    found.push(xml.slice(at + open.length, end));
    at = xml.indexOf(open, end);
  }
  return found;
}

function decode(text: string): string {
  return text.replace(
    /&(?:#x([0-9a-fA-F]{1,6})|#([0-9]{1,7})|(lt|gt|quot|apos|amp));/g,
    (all, hex, decimal, name) => {
      if (name !== undefined) return ENTITIES[name] ?? all;
      const code = hex !== undefined ? parseInt(hex, 16) : parseInt(decimal, 10);
      return code <= 0x10ffff ? String.fromCodePoint(code) : all;
    },
  );
}

/** Text as content of an element. */
export function encodeXml(text: string): string {
  return text.replace(/[<>&"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
