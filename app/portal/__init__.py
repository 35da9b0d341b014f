"""Pages for people: the portal at `/` of every server.

A view is a module of `pages` with an APIRouter, a template that extends `base.html`, a class of `texts`, and,
if it moves, an ES module of `assets`. To add one:

1. `pages/<view>.py`: `router = APIRouter()`, and a GET route with the scope that it needs:

       @router.get("/instruments", dependencies=READ)
       def instruments(page: Page, session: ReadSession) -> HTMLResponse:
           return page("instruments.html", microscopes=...)

   It reads with the same use cases, repositories and documents as the API. Errors of the domain become pages.
2. `templates/<view>.html`: fills the blocks `title` and `content` of `base.html`, and `head` for its own
   scripts and styles (`{{ asset("instruments.js") }}` is the address of a file in `assets`). The policy
   forbids inline scripts and styles. `{{ script_texts(texts.Instruments) }}` hands texts to scripts, which
   import them from `texts.js`.
3. `texts.py`: a class with the English texts of the view.
4. `install.py`: add the router to `PAGES`, in the order of the navigation, with a link if it shall have one.

What a page changes goes through the API: `import { api } from "./api.js"` sends requests with the cookie and
the header that the server asks for, and raises a `Problem` with the `detail` that the API answered. Libraries
of others lie in `assets/vendor`; `vendored.toml` names their versions.
"""
