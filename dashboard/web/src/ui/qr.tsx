// A QR code, drawn by the room; read aloud as the address that it leads to.

export function Qr({ svg, address }: { svg: string; address: string }) {
  return <img src={`data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`} alt={address} />;
}
