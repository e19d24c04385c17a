// Uploads, tags, searches and downloads with a client whose types are generated. Says which image it was.

import { createHash, randomBytes } from "node:crypto"
import createClient from "openapi-fetch"
import type { components, paths } from "./generated/schema.d.ts"

type Image = components["schemas"]["ImageRecord"]

const TRIES = 1000
const tag = process.argv[2] ?? "typescript"
const { API_URL = "", TOKEN = "" } = process.env

const data = Buffer.concat([Buffer.from([0xff, 0xd8, 0xff]), randomBytes(99_997)]) // passes for a JPEG
const client = createClient<paths>({
  baseUrl: API_URL,
  headers: { Authorization: `Bearer ${TOKEN}` },
  querySerializer: {
    array: { style: "form", explode: true },
    object: { style: "form", explode: true },
  },
})

const image_id = await uploaded()
const tagged = await client.PUT("/images/{image_id}/tags/{name}", { params: { path: { image_id, name: "ct/mr" } } })
if (tagged.error) throw new Error(tagged.error.detail)

const image = await found()
const names = image.tags.map((each) => each.name).sort()
if (names.join() !== ["ct/mr", tag].sort().join()) throw new Error(`tags: ${names}`)

const download = await fetch(image.url ?? "")
if (!data.equals(Buffer.from(await download.arrayBuffer()))) throw new Error("not what was uploaded")

const missing = await client.GET("/images/{image_id}", { params: { path: { image_id: 1 } } })
if (missing.error?.status !== 404) throw new Error("an image that is not there")
console.log(image.id)

async function uploaded(): Promise<number> {
  const { data: upload, error } = await client.POST("/images", {
    body: {
      filename: "chest.dcm",
      size: data.length,
      checksum_sha256: createHash("sha256").update(data).digest("hex"),
      tags: [tag],
      metadata: { ward: tag, urgent: true },
    },
  })
  if (error) throw new Error(error.detail)
  const put = await fetch(upload.upload_url ?? "", { method: "PUT", body: data, headers: upload.upload_headers ?? {} })
  if (!put.ok) throw new Error(await put.text())
  return upload.id
}

/** The image, once the storage has reported its file. */
async function found(): Promise<Image> {
  for (let tried = 0; tried < TRIES; tried++) {
    const { data: page, error } = await client.GET("/search/images", {
      params: {
        query: {
          exact_tags: [tag, "ct/mr"],
          match_tags: [`${tag.slice(0, 6).toUpperCase()}%`],
          uploaded_only: true,
          metadata: { "metadata.ward": tag, "metadata.urgent": "true" },
        },
      },
    })
    if (error) throw new Error(error.detail)
    const [first] = page.results
    if (first) return first
  }
  throw new Error("the upload was not reported")
}
