"""`lrm serve`: a page and an HTTP API around the reconstruction of photos.

Needs the extra `serve`. Only the command `serve` imports this package.

| module           | does                                                                   |
|------------------|------------------------------------------------------------------------|
| `settings`       | what an operator chooses                                               |
| `jobs`           | the queue: who waits, who runs, what became of a job, who watches      |
| `results`        | the folder of finished meshes, with a time to live; other formats on demand |
| `reconstruction` | the thread that owns the model and works through the queue             |
| `orders`         | a form as an order: photos, mask, options                              |
| `uploads`        | photos and masks as they arrive, checked before they are decoded       |
| `schemas`        | what goes in and out, as OpenAPI shows it                              |
| `safety`         | who may ask: hosts, origins, tokens, sizes; headers of every answer   |
| `errors`         | errors as JSON                                                         |
| `api`            | `/api/v1`                                                              |
| `blender`        | `/generate`, in the form that Blender add-ons send                     |
| `site`           | the page, and the form that asks for a token                           |
| `application`    | all of it as one ASGI application                                      |
| `connections`    | an end to connections that ask for nothing                             |
| `running`        | that application on a socket                                           |
"""
