import { expect } from "@std/testing";
import { elementsIn, encodeXml, textIn } from "./xml.ts";

const LIST = `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
<Contents><Key>a&amp;b&#x2F;c&#47;&lt;</Key><Size>1</Size></Contents><Contents><Key>d</Key><Size>22</Size></Contents>
<IsTruncated>false</IsTruncated></ListBucketResult>`;

Deno.test("elementsIn(), textIn(): texts of a listing, entities read", () => {
  const entries = elementsIn(LIST, "Contents").map((xml) => [textIn(xml, "Key"), textIn(xml, "Size")]);
  expect(entries).toEqual([["a&b/c/<", "1"], ["d", "22"]]);
  expect(textIn(LIST, "IsTruncated")).toBe("false");
  expect(textIn(LIST, "Nothing")).toBeUndefined();
});

Deno.test("elementsIn(), textIn() of what is cut off or no XML: nothing, no hang", () => {
  expect(elementsIn("<Contents><Key>a</Key>", "Contents")).toEqual([]);
  expect(textIn("<Code>Slow", "Code")).toBeUndefined();
  expect(textIn("<html><h1>502</h1>".repeat(10_000), "Code")).toBeUndefined();
});

Deno.test("encodeXml(): what textIn() reads again", () => {
  const text = `"<a> & 'b'"`;
  expect(textIn(`<ETag>${encodeXml(text)}</ETag>`, "ETag")).toBe(text);
});
