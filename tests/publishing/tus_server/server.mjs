// The reference tus server on a folder: node server.mjs FOLDER PORT
import { FileStore } from '@tus/file-store'
import { Server } from '@tus/server'

const [folder, port] = process.argv.slice(2)
const server = new Server({
  path: '/files',
  datastore: new FileStore({ directory: folder }),
  maxSize: 50_000_000,
})
const listening = server.listen({ host: '127.0.0.1', port: Number(port) }, () => {
  console.log(JSON.stringify({ port: listening.address().port }))
})
