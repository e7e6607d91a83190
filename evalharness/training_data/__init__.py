"""Training data for process-driven generation: trajectories of plan, sketch, inspection and refinement, with provenance.

scene graph → chain of its sub-graphs → instructions, running descriptions, intermediate states → critiques → records

``graphs``, ``chains``, ``english``  what a picture is to show, step by step, in words
``teachers``, ``filters``            who draws the intermediate states, and who looks whether they are right
``critiques``                        sketches that are wrong, and the inspection and refinement that they call for
``make``, ``records``                an arm of the data as Parquet files of steps with their PNG images
``reading``, ``rules``               any trajectories, ours or a run's, and what is wrong with them

Nothing here knows the embedded world: ``evalharness.miniature`` supplies one (:class:`~evalharness.training_data.world.World`),
a file of prompts another.
"""  # noqa: E501
