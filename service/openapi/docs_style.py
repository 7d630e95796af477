"""CSS of the page at `/docs/plain`. Data only."""

STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 0; display: grid; grid-template-columns: 19rem minmax(0, 1fr) }
nav { position: sticky; top: 0; height: 100vh; overflow: auto; padding: 1rem; box-sizing: border-box }
nav a { display: block; text-decoration: none; font-size: .85rem; overflow-wrap: anywhere }
nav h2 { font-size: .9rem; margin: 1rem 0 .2rem }
main { padding: 1rem 2rem; max-width: 60rem }
section { border-top: 1px solid #8886; padding: .5rem 0 }
table { border-collapse: collapse; width: 100%; font-size: .85rem; margin: .5rem 0 }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #8883 }
b.get, b.post, b.put, b.delete { text-transform: uppercase; font-size: .75rem; font-family: monospace }
b.get { color: #06c } b.post { color: #080 } b.put { color: #a60 } b.delete { color: #c22 }
td p { margin: 0 0 .3rem }
@media (max-width: 50rem) {
  body { display: block } nav { position: static; height: auto } main { padding: 1rem; overflow-wrap: anywhere }
  table, tbody, tr, td { display: block } th { display: none } td { border: 0; padding: 0 }
  td[title]::before { content: attr(title) ": "; opacity: .6 }
  tr { border-bottom: 1px solid #8883; padding: .3rem 0 }
}
"""
