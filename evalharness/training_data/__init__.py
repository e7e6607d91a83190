"""Training data for process-driven generation: trajectories of plan, sketch, inspection and refinement, with provenance.

scene graph → chain of its sub-graphs → instructions, running descriptions, intermediate states → critiques → records

``graphs``, ``chains``, ``english``         what a picture shows, step by step, in words
``teachers``, ``filters``                   draw the intermediate states, and check them
``critiques``                               wrong sketches, and the inspection and refinement that they call for
``builder``                                 an arm of the data, with ``teacher_drawings`` and ``model_drawings``
``records``, ``dataset``, ``command``       Parquet files of steps with their PNG images, and the command that makes them
``reading``, ``trajectory_checks``          reading trajectories from any source, and finding what is wrong with them

Nothing here depends on the embedded world: ``evalharness.miniature`` supplies one
:class:`~evalharness.training_data.world.World`, a file of prompts supplies another.
"""  # noqa: E501
