"""Operations on meshes and cameras: conversion, sampling, normalization, trajectories."""
