// Drawn icons: 24 units square, one stroke weight, colour of the text. They never stand alone:
// a word is always beside them, so screen readers skip them.

import type { ComponentChildren } from "preact";

const PATHS: Record<string, ComponentChildren> = {
  record: <circle cx="12" cy="12" r="6.5" fill="currentColor" stroke="none" />,
  pause: <path d="M8.5 6v12M15.5 6v12" stroke-width="3.4" />,
  resume: <path d="M8 5.5v13l11-6.5z" fill="currentColor" stroke-linejoin="round" />,
  stop: <rect x="6.5" y="6.5" width="11" height="11" rx="1.5" fill="currentColor" />,
  extend: <path d="M12 20a8 8 0 1 1 8-8M12 7.5V12l3 2M19 16v6M16 19h6" />,
  undo: <path d="M4 10h10a6 6 0 0 1 0 12h-3M4 10l5-5M4 10l5 5" transform="translate(0 -2)" />,
  retry: <path d="M20 12a8 8 0 1 1-2.3-5.6L20 8.5M20 3.5v5h-5" />,
  lock: (
    <>
      <rect x="5" y="11" width="14" height="9" rx="2" />
      <path d="M8 11V8a4 4 0 0 1 8 0v3" />
    </>
  ),
  language: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M3 12h18M12 3c5 5.5 5 12.5 0 18M12 3c-5 5.5-5 12.5 0 18" />
    </>
  ),
  theme: (
    <>
      <circle cx="12" cy="12" r="8.5" />
      <path d="M12 3.5v17a8.5 8.5 0 0 0 0-17z" fill="currentColor" stroke="none" />
    </>
  ),
  warning: <path d="M12 3.5 22 20.5H2zM12 10v5M12 17.6v.2" stroke-linejoin="round" />,
  check: <path d="m5 12.5 4.5 4.5L19 7.5" />,
  cross: <path d="M6 6l12 12M18 6 6 18" />,
  unplugged: <path d="M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-9 5.2M12 17v4M4 4l16 16" />,
  backspace: <path d="M9 5h11a1 1 0 0 1 1 1v12a1 1 0 0 1-1 1H9l-6-7zM12 9.5l5 5M17 9.5l-5 5" />,
  sound: <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 0 1 0 6M18 6.5a8 8 0 0 1 0 11" />,
  muted: <path d="M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 9.5l5 5M21 9.5l-5 5" />,
  blank: (
    <>
      <rect x="3" y="4.5" width="18" height="12" rx="1.5" fill="currentColor" />
      <path d="M8.5 20.5h7M12 16.5v4" />
    </>
  ),
  freeze: <path d="M12 3v18M4.2 7.5l15.6 9M19.8 7.5l-15.6 9M9.5 4.5 12 7l2.5-2.5M9.5 19.5 12 17l2.5 2.5" />,
  input: <path d="M13 4h7v16h-7M3.5 12H15M11 8l4 4-4 4" class="turns" />,
  aim: (
    <>
      <circle cx="12" cy="12" r="3" />
      <path d="M12 2.5 14.5 6h-5zM12 21.5 9.5 18h5zM2.5 12 6 9.5v5zM21.5 12 18 14.5v-5z" fill="currentColor" />
    </>
  ),
  call: (
    <path
      d="M6.5 3.5h3l1.8 4.6-2.2 1.6a12 12 0 0 0 5.2 5.2l1.6-2.2 4.6 1.8v3a2.6 2.6 0 0 1-2.8 2.6A15.5 15.5 0 0 1 3.9 6.3a2.6 2.6 0 0 1 2.6-2.8z"
      stroke-linejoin="round"
    />
  ),
  home: <path d="M4 11.5 12 4l8 7.5M6.5 10v9.5h11V10" stroke-linejoin="round" />,
  plus: <path d="M12 5v14M5 12h14" />,
  minus: <path d="M5 12h14" />,
  pin: <path d="M7 4h10v16l-5-4-5 4z" stroke-linejoin="round" />,
  microphone: (
    <>
      <rect x="9" y="3" width="6" height="11" rx="3" />
      <path d="M5.5 11.5a6.5 6.5 0 0 0 13 0M12 18v3" />
    </>
  ),
  presenter: (
    <>
      <circle cx="12" cy="8" r="3.8" />
      <path d="M4.5 20.5a7.5 7.5 0 0 1 15 0" />
    </>
  ),
  slides: (
    <>
      <rect x="3" y="4.5" width="18" height="12" rx="1.5" />
      <path d="M7 9h7M7 12.5h4.5M12 16.5v4M8 20.5h8" />
    </>
  ),
  audience: (
    <>
      <circle cx="8" cy="9" r="3" />
      <circle cx="16.5" cy="9.5" r="2.5" />
      <path d="M2.5 19.5a5.5 5.5 0 0 1 11 0M15 15a5 5 0 0 1 6.5 4.5" />
    </>
  ),
  display: (
    <>
      <rect x="3" y="4.5" width="18" height="12" rx="1.5" />
      <path d="M8.5 20.5h7M12 16.5v4" />
    </>
  ),
  projector: (
    <>
      <rect x="2.5" y="8" width="19" height="9" rx="2" />
      <circle cx="15.5" cy="12.5" r="2.6" />
      <path d="M6 11.5h3M6 17v2M18 17v2M8 8V6M15.5 4v1.5" />
    </>
  ),
  camera: (
    <>
      <rect x="2.5" y="7" width="13" height="10" rx="2" />
      <path d="m15.5 11 6-3.5v9l-6-3.5" stroke-linejoin="round" />
    </>
  ),
  screen: <path d="M3 4h18M5 4v10h14V4M12 14v4M10 20a2 2 0 0 0 4 0 2 2 0 0 0-4 0" />,
  light: <path d="M9 17.5h6M10 20.5h4M8 14.5a6 6 0 1 1 8 0c-.7.7-1 1.5-1 3H9c0-1.5-.3-2.3-1-3z" />,
  mixer: <path d="M6 4v16M12 4v16M18 4v16M4 9h4M10 15h4M16 8h4" />,
  relay: <path d="M3 16h5l7-7M16 16h5M8 16.010v0M16 16.010v0" />,
  switcher: <path d="M4 7h6c4 0 4 10 8 10h2M4 17h6c1.5 0 2.5-1.400 3.2-3M20 7h-2c-1.5 0-2.5 1.400-3.2 3" />,
  tablet: <path d="M6 3h12v18H6zM11 18h2" stroke-linejoin="round" />,
  device: <rect x="4" y="6" width="16" height="12" rx="2" />,
  power: <path d="M12 3v8M7 6.5a7.5 7.5 0 1 0 10 0" />,
  film: <path d="M4 4h16v16H4zM8 4v16M16 4v16M4 9h4M4 15h4M16 9h4M16 15h4" stroke-linejoin="round" />,
  back: <path d="M14.5 5 8 12l6.5 7" class="turns" />,
  full: <path d="M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5" />,
  unfull: <path d="M9 4v5H4M20 9h-5V4M15 20v-5h5M4 15h5v5" />,
  captions: (
    <>
      <rect x="3" y="5" width="18" height="14" rx="2" />
      <path d="M6.5 12h3M12 12h5.5M6.5 15.5h6.5M15.5 15.5h2" />
    </>
  ),
  search: <path d="M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5 21 21" />,
  note: <path d="M4 20l1-4L16.5 4.5a2.1 2.1 0 0 1 3 3L8 19zM14.5 6.5l3 3" stroke-linejoin="round" />,
  link: <path d="M10 14a4 4 0 0 1 0-5.6l3-3a4 4 0 0 1 5.6 5.6l-1.5 1.5M14 10a4 4 0 0 1 0 5.6l-3 3A4 4 0 0 1 5.4 13l1.5-1.5" />,
  cut: (
    <>
      <circle cx="6" cy="6.5" r="2.6" />
      <circle cx="6" cy="17.5" r="2.6" />
      <path d="M8.2 8 20 17M8.2 16 20 7" />
    </>
  ),
  help: (
    <>
      <circle cx="12" cy="12" r="9" />
      <path d="M9.2 9.3a2.9 2.9 0 1 1 4.2 2.7c-1 .5-1.4 1.1-1.4 2.1M12 17.1v.2" />
    </>
  ),
  rewind: <path d="M11 6 4.5 12 11 18zM19 6l-6.5 6 6.5 6z" stroke-linejoin="round" />,
  forward: <path d="M13 6l6.5 6-6.5 6zM5 6l6.5 6L5 18z" stroke-linejoin="round" />,
  layout: <path d="M3 5h18v14H3zM14 5v14M14 12h7" stroke-linejoin="round" />,
  download: <path d="M12 4v11M7 11l5 5 5-5M4 20h16" />,
};

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 28 }: { name: string; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      stroke-width="1.9"
      stroke-linecap="round"
      aria-hidden="true"
      focusable="false"
    >
      {PATHS[name] ?? PATHS["device"]}
    </svg>
  );
}

/** What a layout does to the lecture's picture, drawn: slides are lined, the presenter is a figure. */
export function LayoutDrawing({ layout }: { layout: string }) {
  const figure = (x: number, y: number, w: number, h: number) => (
    <g class="figure">
      <rect x={x} y={y} width={w} height={h} rx="2" />
      <circle cx={x + w / 2} cy={y + h * 0.4} r={h * 0.17} />
      <path
        d={`M${x + w / 2 - h * 0.3} ${y + h} a${h * 0.3} ${h * 0.34} 0 0 1 ${h * 0.6} 0`}
        class="shoulders"
      />
    </g>
  );
  const lines = (x: number, y: number, w: number, h: number) => (
    <g class="page">
      <rect x={x} y={y} width={w} height={h} rx="2" />
      <path
        d={`M${x + w * 0.14} ${y + h * 0.28}h${w * 0.5}M${x + w * 0.14} ${y + h * 0.5}h${w * 0.36}M${
          x + w * 0.14
        } ${y + h * 0.72}h${w * 0.42}`}
      />
    </g>
  );
  return (
    <svg class="layout-drawing" viewBox="0 0 64 36" aria-hidden="true" focusable="false">
      {layout === "slides+presenter" && (
        <>
          {lines(1, 1, 62, 34)}
          {figure(42, 19, 19, 14)}
        </>
      )}
      {layout === "side-by-side" && (
        <>
          {lines(1, 6, 36, 24)}
          {figure(40, 6, 23, 24)}
        </>
      )}
      {layout === "slides" && lines(1, 1, 62, 34)}
      {layout === "presenter" && figure(1, 1, 62, 34)}
    </svg>
  );
}
